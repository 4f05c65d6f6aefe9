"""The parts that a worker's routes are made of, put together once by the command line."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

from gateway.admission.admission import Admission
from gateway.admission.probing import Probe
from gateway.domain.address import Addresses
from gateway.ledger.ledger import Ledger
from gateway.ledger.refused import RefusalLog
from gateway.ledger.run_times import RunTimes
from gateway.ledger.views import Views
from gateway.policy import Policy, Principal
from gateway.server.authentication import InvalidKey, authenticate
from gateway.server.owners import Owners
from gateway.server.recording import Recorder
from gateway.server.tally import RequestLog
from gateway.settlement.arrivals import Arrivals
from gateway.settlement.looks import Looks
from gateway.settlement.settlement import Settlement
from gateway.telemetry import Telemetry
from gateway.upstream.eachlabs import Eachlabs


@dataclass(frozen=True, slots=True)
class AccountParts:
    """What belongs to one upstream account."""

    ledger: Ledger
    views: Views
    upstream: Eachlabs
    settlement: Settlement
    arrivals: Arrivals
    looks: Looks
    refusals: RefusalLog
    run_times: RunTimes


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a route needs; `wall_clock_us` is used for the expiry of keys and nothing else.

    `accounts` are those of the policy, and those that left it with predictions to be settled.
    `private_destinations` are host:port that tenants' addresses may lead to though they are not public. `probe` looks
    at input images. Without `request_log` no request has its line in the log.
    """

    policy: Policy
    accounts: Mapping[str, AccountParts]
    admission: Admission
    owners: Owners
    recorder: Recorder
    telemetry: Telemetry
    wall_clock_us: Callable[[], int]
    addresses: Addresses
    private_destinations: Collection[str] = ()
    probe: Probe | None = None
    request_log: RequestLog | None = None

    def authenticate(self, scope: Scope) -> Principal:
        """Find whose key a request carries, and note it for the log. Raises Refused (`invalid_key`)."""
        facts = scope["state"]["facts"]
        try:
            principal = authenticate(self.policy.keyring, scope["headers"], self.wall_clock_us())
        except InvalidKey as invalid:
            if invalid.principal is not None:
                _note(facts, invalid.principal)
            facts["invalid_key"] = invalid.why
            raise
        _note(facts, principal)
        return principal

    def account_of(self, principal: Principal) -> AccountParts:
        """Give the parts of the account that a tenant's creates go to."""
        return self.accounts[principal.tenant.account.id]


def _note(facts: dict[str, Any], principal: Principal) -> None:
    facts["tenant"], facts["key"] = principal.tenant.id, principal.key
