"""Webhooks under simulation: calls by upstream and by forgers, upstream's record, and the tenants that are told."""

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from gateway.domain.address import Addresses
from gateway.domain.secret import Secret
from gateway.upstream.client import NotSent, OutcomeUnknown, Outgoing
from simulation.chaos import Chaos
from simulation.invariants import check
from simulation.reference import Reference

if TYPE_CHECKING:
    from simulation.upstream import Run

PUBLIC_URL = "https://gateway.test"
SECRET = "s" * 32
#: How often upstream calls for one end, and how often it tries each call.
COPIES = (0, 1, 1, 1, 2, 5)
TRIES, APART_S = 3, 10.0
#: A tenant's endpoint fails at most so often for one end, so that the quiet need not outlast the longest back-off.
FAILURES = 3


class Calls:
    """Upstream's calls: late, lost, early, more than once, and the record of them."""

    def __init__(self, chaos: Chaos, call: Callable[[str, bytes], Awaitable[int]]) -> None:
        self._chaos = chaos
        self._call = call
        self._sent: dict[str, tuple[str, float]] = {}  # execution → address, when

    def expect(self, run: "Run", url: str) -> None:
        """Call when a run has ended; as a task of upstream, which outlives every worker."""
        contextvars.Context().run(asyncio.ensure_future, self._tell(run, url))

    def records(self, epoch_s: float) -> list[dict[str, str]]:
        """Give every record, the newest first."""
        rows = sorted(self._sent.items(), key=lambda row: -row[1][1])
        return [
            {"execution_id": id_, "url": url, "created_at": datetime.fromtimestamp(epoch_s + at, UTC).isoformat()}
            for id_, (url, at) in rows
        ]

    def addresses(self) -> dict[str, str]:
        """Give execution → address for every record."""
        return {id_: url for id_, (url, _) in self._sent.items()}

    async def _tell(self, run: "Run", url: str) -> None:
        loop, chance = asyncio.get_running_loop(), self._chaos.random
        if run.status == "never":
            return
        await asyncio.sleep(run.ends - loop.time())
        if run.cancelled:
            return
        copies = 1 if self._chaos.calm else chance.choice(COPIES)
        self._sent[run.id] = (url, loop.time())
        output = ["https://upstream.test/" + run.id] if run.status == "success" else [{"error": "failed"}]
        body = {"exec_id": run.id, "status": "succeeded" if run.status == "success" else "failed", "output": output}
        await asyncio.gather(*(self._insist(url, msgspec.json.encode(body)) for _ in range(copies)))

    async def _insist(self, url: str, body: bytes) -> None:
        await asyncio.sleep(self._chaos.delay(0.1, "late webhook", 0.3, 60))
        for _ in range(TRIES):
            if 200 <= await self._call(urlsplit(url).path, body) < 300:
                return
            await asyncio.sleep(APART_S)


class Forger:
    """Calls with what nobody gave: a wrong MAC, or a right address and another's execution.

    Best where it could do harm: at the address of a create whose answer is not known, with an execution that nobody
    has yet and of which upstream has a record. Where it has none, model, time and input are all that can decide.
    """

    def __init__(
        self, chaos: Chaos, ref: Reference, calls: Calls, call: Callable[[str, bytes], Awaitable[int]]
    ) -> None:
        self._chaos = chaos
        self._ref = ref
        self._calls = calls
        self._call = call
        self._addresses = Addresses(Secret([SECRET]), PUBLIC_URL)

    async def forge(self) -> None:
        """Call once, if there is anything to call with."""
        chance, own = self._chaos.random, self._calls.addresses()
        waiting = [each.id for each in self._ref.all.values() if each.live and not each.prediction]
        free = [execution for execution in own if execution not in self._ref.owners]
        mine, other = chance.choice(waiting or [*self._ref.all, ""]), chance.choice(free or [*own, ""])
        address = self._addresses.of("up", mine)
        if not mine or not other or address is None or address == own[other]:
            return
        path = urlsplit(address).path
        body = msgspec.json.encode({"exec_id": other, "status": "succeeded", "output": []})
        if chance.random() < 0.2:
            status = await self._call(path[:-3] + "abc", body)
            check("fault", status in (0, 404) or path.endswith("abc"), path, "was taken:", status)
        else:
            await self._call(path, body)  # the bill tells whether it changed anything


class Inbox:
    """The tenants' endpoints, and what they were told."""

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._failures: defaultdict[str, int] = defaultdict(int)
        self.told: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)  # address → (webhook-id, execution)

    def take(self, request: Outgoing) -> int:
        """Answer a delivery with a status; raises NotSent or OutcomeUnknown."""
        if self._failures[request.url] < FAILURES and self._chaos.hit("tenant does not take it", 0.5):
            self._failures[request.url] += 1
            fault = self._chaos.random.choice((NotSent("refused"), OutcomeUnknown("cut"), 500, 404))
            if isinstance(fault, Exception):
                raise fault
            return fault
        headers = dict(request.headers)
        execution = msgspec.json.decode(request.body)["exec_id"]
        check("told", headers.get(b"x-webhook-secret") == tenants_secret(request.url).encode(), request.url, headers)
        self.told[request.url].append((headers[b"webhook-id"].decode(), execution))
        return 200


def tenants_address(tenant: str, idem: str) -> str:
    """Give the address at which a tenant waits for the end of a create: for every second one with a key."""
    return f"https://tenant.test/{tenant}/{idem}" if idem and int(idem.rpartition("-")[2]) % 2 else ""


def tenants_secret(url: str) -> str:
    """Give the secret that a tenant wants to see at an address."""
    return f"secret of {url}"


def check_told(inbox: Inbox, answered: Mapping[tuple[str, str], str], ended: Callable[[str], bool]) -> None:
    """Check that tenants were told of their own ends and of no other, under one id each, and of every one of those
    for which `ended` says that they must be."""
    for (tenant, idem), prediction in answered.items():
        told = inbox.told.pop(tenants_address(tenant, idem), [])
        check("told", len(set(told)) <= 1, tenant, idem, "was told", told)
        check("told", all(execution == prediction for _, execution in told), prediction, "was told as", told)
        expected: Any = bool(told) or not tenants_address(tenant, idem) or not ended(prediction)
        check("told", expected, tenant, "was never told of", prediction, "at", tenants_address(tenant, idem))


def check_owed(ids: Iterable[str], ref: Reference, runs: Mapping[str, "Run"]) -> None:
    """Check that what is still to be told, or was given up, is an end of which upstream would tell."""
    for id_ in ids:
        held = ref.all[id_]
        run = runs.get(held.prediction)
        owed = held.state == "settled" and run is not None and not run.cancelled
        check("told", owed, held, "is to be told of an end that it does not have:", run)
