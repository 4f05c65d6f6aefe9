"""Assembly: what a worker keeps for its life, and what it builds anew for every policy."""

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple

from gateway.admission.admission import Admission
from gateway.admission.probing import Probe
from gateway.alerting.teller import Teller
from gateway.cli.terms import Terms
from gateway.delivery.courier import Courier
from gateway.delivery.signing import Signer
from gateway.domain.address import Addresses
from gateway.domain.secret import Secret
from gateway.ledger.alerts import Alerts
from gateway.ledger.ledger import Ledger
from gateway.ledger.outbox import Outbox
from gateway.ledger.postings import Postings
from gateway.ledger.refused import RefusalLog
from gateway.ledger.rounds import Rounds
from gateway.ledger.run_times import RunTimes
from gateway.ledger.scripts import Script
from gateway.ledger.sightings import Sightings
from gateway.ledger.store import LedgerUnavailable, Store
from gateway.ledger.upkeep import Upkeep
from gateway.ledger.views import Views
from gateway.policy import Account, AlertAddress, Policy, read_address, read_secret
from gateway.server.app import GatewayApp
from gateway.server.in_force import AppInForce
from gateway.server.owners import Owners
from gateway.server.parts import AccountParts, Parts
from gateway.server.recording import Recorder
from gateway.server.tally import RequestLog
from gateway.settlement.arrivals import Arrivals
from gateway.settlement.history import History
from gateway.settlement.inquest import Inquest
from gateway.settlement.listing import Lister
from gateway.settlement.looks import Kept, Looks
from gateway.settlement.proof import Proof
from gateway.settlement.reconciler import Reconciler
from gateway.settlement.recovery import Recovery
from gateway.settlement.running import Running
from gateway.settlement.settlement import Settlement
from gateway.settlement.unattributed import Unattributed
from gateway.telemetry import Telemetry
from gateway.upstream.client import Upstream
from gateway.upstream.eachlabs import Eachlabs

log = logging.getLogger("gateway.worker")

#: How long a round of the reconciler may take to end after it was cancelled.
ROUND_SECONDS = 5.0


class Clients(NamedTuple):
    """How a worker calls upstream, the addresses that tenants name, and those that operators do."""

    upstream: Upstream
    tenants: Upstream
    operators: Upstream


class Assembly:
    """Builds an app for every policy that is adopted, and replaces the one in force as a whole.

    Connections, the ledgers' clocks, known owners and records that are still being written live on.
    """

    def __init__(
        self,
        store: Store,
        scripts: Mapping[str, Script],
        clients: Clients,
        telemetry: Telemetry,
        environ: Mapping[str, str],
        secret: Secret,
        owners: Owners,
        terms: Terms,
        *,
        probe: Probe | None = None,
        request_log: RequestLog | None = None,
    ) -> None:
        self.app = AppInForce()
        self.recorder = Recorder()
        self._store = store
        self._scripts = scripts
        self._clients = clients
        self._telemetry = telemetry
        self._environ = environ
        self._terms = terms
        self._addresses = Addresses(secret, terms.public_url)
        self._signer = Signer(secret)
        self._probe = probe
        self._request_log = request_log
        self._owners = owners
        self._kept = Kept()
        self._ledgers: dict[str, Ledger] = {}
        self._run_times: dict[str, RunTimes] = {}
        self._known: dict[str, tuple[AccountParts, Policy]] = {}
        self._secrets: dict[tuple[str, str], str] = {}
        self._alert_urls: dict[AlertAddress, str] = {}
        self._actors: list[Rounds | Courier] = []
        self._rounds: set[asyncio.Task[None]] = set()

    def adopt(self, policy: Policy, numbers: Mapping[str, int] = MappingProxyType({})) -> None:
        """Serve by a policy from now on, all of it at once. Raises SecretMissing, and then changes nothing.

        `numbers` are those under which the store has it in force, by account; they may become known later.
        """
        accounts = {account.id: self._account(account) for account in policy.accounts.values()}
        self._find_addresses(policy)
        ledgers = {id_: parts.ledger for id_, parts in accounts.items()}
        admission = Admission(ledgers, self._telemetry, new_id, self.recorder.keep, numbers)
        # An account that is no longer in the policy has its last predictions settled by what was known of it.
        self._known |= {id_: (each, policy) for id_, each in accounts.items()}
        parts = Parts(
            policy,
            {id_: known for id_, (known, _) in self._known.items()},
            admission,
            self._owners,
            self.recorder,
            self._telemetry,
            _wall_clock_us,
            self._addresses,
            self._terms.private_destinations,
            self._probe,
            self._request_log,
        )
        self.app.put(GatewayApp(parts))
        self._act()
        self._telemetry.in_force(policy.version, policy.models)
        log.info("serving by policy %s", policy.version[:12])

    def let_nobody_wait(self) -> None:
        """Refuse the creates that wait for an upstream slot, and those that would have to: this worker stops."""
        for ledger in self._ledgers.values():
            ledger.queue.close()

    async def aclose(self, drain_seconds: float) -> None:
        """Let what is being recorded reach the ledger, so long, and stop."""
        await self.recorder.drain(drain_seconds)
        for actor in self._actors:
            actor.stop()
        for task in self._rounds:  # every step of theirs may be cut and repeated
            task.cancel()
        if self._rounds:
            await asyncio.wait(self._rounds, timeout=ROUND_SECONDS)
        for ledger in self._ledgers.values():
            await ledger.queue.aclose()
            with suppress(LedgerUnavailable):
                await ledger.leave()

    def _account(self, account: Account) -> AccountParts:
        ledger = self._ledgers.get(account.id)
        if ledger is None:
            ledger = Ledger(self._store, self._scripts, account.id, self._telemetry.ledger_seconds.note)
            self._ledgers[account.id] = ledger
        read = {key.id: self._terms.upstream_secret or read_secret(key, self._environ) for key in account.keys}
        # What runs on a key that has left the policy is still polled by it.
        self._secrets |= {(account.id, key): secret for key, secret in read.items()}
        secrets = {key: secret for (owner, key), secret in self._secrets.items() if owner == account.id}
        upstream = Eachlabs(account, secrets, self._clients.upstream, self._telemetry, self._terms.upstream_url)
        views, settlement = Views(self._store, account.id), Settlement(ledger, self._telemetry)
        proof = Proof(views, upstream, History(upstream, self._addresses), Lister(ledger, upstream))
        arrivals = Arrivals(views, upstream, settlement, self._outbox(account.id), proof)
        sightings = None if self._terms.alone else Sightings(self._store, self._scripts, account.id)
        looks = Looks(sightings, upstream, settlement, self._kept)
        refusals = RefusalLog(self._store, self._scripts, account.id, self.recorder.keep)
        run_times = self._run_times.setdefault(account.id, RunTimes(self._store, account.id))
        return AccountParts(ledger, views, upstream, settlement, arrivals, looks, refusals, run_times)

    def _act(self) -> None:
        """Start what works beside the requests, by this policy; what began by an earlier one ends with its round."""
        for actor in self._actors:
            actor.stop()
        self._actors = []
        for parts, policy in self._known.values():
            account = parts.ledger.account
            self._actors += [self._recovery(parts, policy), self._reconciler(parts, policy)]
            self._actors += [self._teller(account, policy), self._upkeep(account)]
            self._actors.append(self._courier(parts))
        for actor in self._actors:
            task = asyncio.ensure_future(actor.run())
            self._rounds.add(task)
            task.add_done_callback(self._rounds.discard)

    def _upkeep(self, account: str) -> Upkeep:
        return Upkeep(self._store, self._scripts, account, self._terms.journal_days)

    def _teller(self, account: str, policy: Policy) -> Teller:
        def addresses(scope: str) -> dict[str, str]:
            found = policy.alert_addresses(account, scope)
            return {self._alert_urls[each]: each.scope for each in reversed(found)}

        alerts = Alerts(self._store, self._scripts, account)
        return Teller(alerts, self._outbox(account), policy.limits(account), addresses)

    def _find_addresses(self, policy: Policy) -> None:
        """Read where alerts go. Raises SecretMissing."""
        self._alert_urls |= {each: read_address(each, self._environ) for each in policy.all_alert_addresses}

    def _courier(self, parts: AccountParts) -> Courier:
        outbox, ways = self._outbox(parts.ledger.account), (self._clients.tenants, self._clients.operators)
        return Courier(outbox, parts.views, parts.upstream, *ways, self._signer, self._telemetry)

    def _outbox(self, account: str) -> Outbox:
        return Outbox(self._store, self._scripts, account)

    def _reconciler(self, parts: AccountParts, policy: Policy) -> Reconciler:
        lister, history = Lister(parts.ledger, parts.upstream), History(parts.upstream, self._addresses)
        known = (parts.ledger, parts.upstream, parts.settlement, lister)
        running = Running(*known, parts.looks, parts.run_times, policy.models)
        inquest = Inquest(parts.ledger, parts.views, parts.upstream, parts.settlement, lister, history)
        return Reconciler(parts.ledger, parts.settlement, inquest, running)

    def _recovery(self, parts: AccountParts, policy: Policy) -> Recovery:
        lister = Lister(parts.ledger, parts.upstream)
        account, scope = parts.upstream.account, f"account/{parts.ledger.account}"
        postings = Postings(parts.ledger.prefix, [scope], [each for each in account.limits if each.scope == scope])
        unattributed = Unattributed(parts.ledger, parts.views, parts.upstream, lister, postings, policy.models)
        return Recovery(parts.ledger, unattributed, account.create_timeout_seconds)


def new_id() -> str:
    """Make the id of a reservation."""
    # 96 bits of chance are enough to be unique, and an id is kept in six places.
    return f"res_{secrets.token_urlsafe(12)}"


def _wall_clock_us() -> int:
    return time.time_ns() // 1000
