"""The upstream under simulation: its own books and clock, and every way to fail that is known of the real one."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from gateway.upstream.client import Answer, NotSent, OutcomeUnknown, Outgoing, Stream
from simulation.chaos import Chaos
from simulation.violation import check
from simulation.webhooks import PUBLIC_URL, Calls, Inbox

#: What becomes of a create on the wire, with weights; a run draws at random whether it has any fault at all.
FATES = {
    "ok": 60.0, "refused": 2.0, "cut before": 2.0, "cut after": 3.0, "mid-answer": 2.0, "429": 2.0, "500 before": 2.0,
    "500 after": 3.0, "401": 1.0, "422": 2.0, "garbage": 2.0, "silent before": 2.0, "silent after": 3.0,
    "late effect": 2.0,
}  # fmt: skip
#: Which cost a success has, and how it is stated.
COSTS = {
    "exact": 50.0, "above": 5.0, "below": 10.0, "zero once": 6.0, "zero late": 5.0, "zero": 3.0, "listed only": 4.0,
    "absent": 3.0,
}  # fmt: skip
ENDS = {"success": 80.0, "error": 8.0, "error with cost": 3.0, "never": 3.0}
LAG_S = 30.0
PAGE = 37


@dataclass
class Run:
    """One prediction as upstream has it; times in seconds of the simulation, cost in units."""

    id: str
    request: str
    tenant: str
    model: str
    key: str
    sent_at: float
    begun: float
    ends: float
    status: str
    kind: str
    cost: int
    slot_s: float
    visible: float = 0.0
    polls: int = 0
    input: Any = None
    cancelled: bool = False
    ended: bool = False
    stated: bool = False

    def look(self, now: float, *, listed: bool) -> tuple[str, int | None]:
        """Say what upstream says of it now; None where it states no cost."""
        if now < self.ends:
            return "processing", None
        self.ended = True
        zero = self.kind == "zero" or (self.kind == "zero late" and now < self.ends + 100)
        if self.kind == "zero once" and not listed:
            self.polls += 1
            zero = self.polls == 1
        if self.status == "success" and (self.kind == "absent" or (self.kind == "listed only" and not listed)):
            return self.status, None
        if self.status == "success" and zero:
            return self.status, 0
        self.stated = True
        return self.status, self.cost


@dataclass
class SimUpstream:
    """The service behind the wire."""

    chaos: Chaos
    epoch_s: float
    ahead_s: float
    prices: dict[str, int]
    slot_s: dict[str, float]
    limits: Callable[[str], tuple[int, int]]
    calls: Calls
    inbox: Inbox
    runs: dict[str, Run] = field(default_factory=dict)
    sends: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    faulty: bool = True

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def departs(self, key: str) -> None:
        """Count a create by the time of its first byte: never more than N in any 60 s."""
        sends, now = self.sends[key], self.now()
        sends.append(now)
        per_minute, _ = self.limits(key)
        within = sum(1 for each in sends[-per_minute - 1 :] if each > now - 60)
        check("upstream", within <= per_minute, within, "creates by", key, "within 60 s at", now)

    def begin(self, request: Outgoing, request_id: str, tenant: str, key: str, sent_at: float) -> Run:
        """Take effect; never more than C in flight, where a slot that freed itself counts no more."""
        body = msgspec.json.decode(request.body)
        model = body["model"]
        price, chance = self.prices[model], self.chaos.random
        status = self.chaos.weighed(ENDS) if self.faulty else "success"
        kind = self.chaos.weighed(COSTS) if self.faulty else "exact"
        costs = {
            "above": price * 3 // 2,
            "below": price // 2,
            "zero late": chance.choice((price // 3, price, price * 2)),
        }
        cost = costs.get(kind, price)
        ends = self.now() + (chance.uniform(0.2, 20) if chance.random() < 0.9 else chance.uniform(20, 90))
        if status == "never":
            ends = float("inf")
        if status.startswith("error"):
            kind, cost = "exact", price // 3 if status.endswith("cost") else 0
        if request.url.endswith("/run"):
            ends = min(ends, self.now() + 10) if status != "never" else ends
        id_, status = f"pred-{len(self.runs) + 1:05}", status.split()[0]
        slot_s = 300.0 if request.url.endswith("/run") else self.slot_s[model]
        run = Run(id_, request_id, tenant, model, key, sent_at, self.now(), ends, status, kind, cost, slot_s)
        run.input = body["input"]
        if self.chaos.hit("listing lag", 0.2):
            run.visible = self.now() + chance.uniform(0, LAG_S)
        self.runs[id_] = run
        if body.get("webhook_url", "").startswith(PUBLIC_URL):
            self.calls.expect(run, body["webhook_url"])
        flying = [
            r for r in self.runs.values() if r.key == key and self.now() < min(r.ends, r.sent_at - 2 + r.slot_s)
        ]
        check("upstream", len(flying) <= self.limits(key)[1], len(flying), "in flight by", key, "at", self.now())
        return run

    def answer(self, status: int, body: Any) -> Answer:
        at = datetime.fromtimestamp(int(self.epoch_s + self.ahead_s + self.now()), UTC)
        headers = [(b"date", format_datetime(at, usegmt=True).encode()), (b"content-type", b"application/json")]
        return Answer(status, headers, body if isinstance(body, bytes) else msgspec.json.encode(body))

    def poll(self, prediction: str) -> Answer:
        run = self.runs.get(prediction)
        if run is None:
            return self.answer(404, {"error": "no such prediction"})
        status, cost = run.look(self.now(), listed=False)
        metrics = {} if cost is None else {"metrics": {"cost": _usd(cost)}}
        return self.answer(200, {"id": run.id, "status": status, "input": run.input, **metrics})

    def cancel(self, prediction: str) -> Answer:
        run = self.runs.get(prediction)
        if run is None:
            return self.answer(404, {"error": "no such prediction"})
        if self.now() < run.ends:
            run.ends, run.status, run.kind, run.cancelled = self.now() + 0.2, "cancelled", "exact", True
            run.cost = self.chaos.random.choice((0, run.cost // 4))
        return self.answer(200, {"id": run.id, "status": "cancelled"})

    def list(self, query: str) -> Answer:
        asked = dict(parse_qsl(query))
        since = datetime.fromisoformat(asked["from"]).timestamp() if "from" in asked else 0
        until = datetime.fromisoformat(asked["to"]).timestamp() if "to" in asked else float("inf")
        rows = []
        for run in reversed(self.runs.values()):
            created = self.epoch_s + self.ahead_s + run.begun
            if run.visible <= self.now() and since <= created <= until and asked.get("model", run.model) == run.model:
                rows.append((created, run))
        first, most = int(asked.get("offset", 0)), min(int(asked["limit"]), PAGE)
        return self.answer(200, {"executions": [self._row(*row) for row in rows[first : first + most]]})

    def records(self, path: str, query: str) -> Answer:
        """Show the record of one webhook, or a page of all."""
        rows = self.calls.records(self.epoch_s + self.ahead_s)
        execution = path.removeprefix("/v1/webhooks").strip("/")
        if execution:
            row = next((row for row in rows if row["execution_id"] == execution), None)
            return self.answer(200, row) if row else self.answer(404, {"error": "no such webhook"})
        asked = dict(parse_qsl(query))
        first, most = int(asked.get("offset", 0)), min(int(asked["limit"]), PAGE)
        return self.answer(200, {"webhooks": rows[first : first + most]})

    def _row(self, created: float, run: Run) -> dict[str, Any]:
        status, cost = run.look(self.now(), listed=True)
        at = datetime.fromtimestamp(created, UTC).isoformat()
        row = {"id": run.id, "model": run.model, "status": status, "created_at": at}
        return row if cost is None else row | {"execution_cost": _usd(cost)}


class SimWire:
    """What one worker has for an HTTP client; implements `gateway.upstream.client.Upstream`, dead with its worker."""

    def __init__(self, upstream: SimUpstream, whose: Callable[[str, str], str]) -> None:
        self._upstream = upstream
        self._chaos = upstream.chaos
        self._whose = whose  # told (request id, key) as the first byte leaves; gives the tenant
        self.dead = False

    async def send(self, request: Outgoing) -> Answer:
        """Send a request once; what has left goes on whatever becomes of the caller."""
        if self.dead:
            raise asyncio.CancelledError
        loop, path = asyncio.get_running_loop(), urlsplit(request.url).path
        create = request.method == "POST" and path.rstrip("/") in ("/v1/prediction", "/v1/prediction/run")
        fate = self._chaos.weighed(FATES) if create and self._upstream.faulty else "ok"
        await asyncio.sleep(self._chaos.delay(0.02, "slow connection", 0.05, 4))
        if fate == "refused" or (not create and self._chaos.hit("free call not sent", 0.05)):
            raise NotSent("refused")
        if loop.time() > request.send_by:
            raise NotSent("too late to be sent")
        answer: asyncio.Future[Answer] = loop.create_future()
        if create:
            headers = dict(request.headers)
            key, id_ = headers[b"x-api-key"].decode(), headers[b"x-request-id"].decode()
            tenant = self._whose(id_, key)
            self._upstream.departs(key)
            net = self._chaos.random.uniform(0.005, 0.05)
            if fate == "late effect":
                net = self._chaos.random.uniform(1, request.answer_seconds if request.answer_seconds < 60 else 30)
            loop.call_later(net, self._create, request, (id_, tenant, key, loop.time()), fate, answer)
        else:
            loop.call_later(self._chaos.delay(0.02, "slow answer", 0.03, 15), self._free, request, path, answer)
        try:
            async with asyncio.timeout(request.answer_seconds):
                return await answer
        except TimeoutError:
            raise OutcomeUnknown("no answer in time") from None

    @asynccontextmanager
    async def stream(self, request: Outgoing) -> AsyncIterator[Stream]:
        """Bring a webhook to a tenant: the one thing that is streamed here."""
        if self.dead:
            raise asyncio.CancelledError
        await asyncio.sleep(self._chaos.delay(0.02, "slow tenant", 0.1, 10))
        yield Stream(self._upstream.inbox.take(request), [], _nothing())

    async def aclose(self) -> None:
        """Close nothing."""

    def _create(
        self, request: Outgoing, who: tuple[str, str, str, float], fate: str, answer: "asyncio.Future[Answer]"
    ) -> None:
        upstream = self._upstream
        refusals = {"429": 429, "500 before": 500, "401": 401, "422": 422}
        if fate in refusals:
            return _resolve(answer, upstream.answer(refusals[fate], {"error": fate}))
        if fate in ("cut before", "silent before"):
            return None if fate.startswith("silent") else _resolve(answer, OutcomeUnknown("cut"))
        run = upstream.begin(request, *who)
        if fate in ("cut after", "mid-answer"):
            return _resolve(answer, OutcomeUnknown(fate))
        if fate == "silent after":
            return None
        if fate in ("500 after", "garbage"):
            return _resolve(answer, upstream.answer(500 if fate == "500 after" else 200, b"<html>"))
        body = {"status": "success", "message": "Prediction created successfully", "predictionID": run.id}
        delay = self._chaos.delay(0.05, "slow create", 0.05, 40)
        if request.url.endswith("/run") and run.ends != float("inf"):
            delay = run.ends - upstream.now() + 0.01
        asyncio.get_running_loop().call_later(delay, lambda: _resolve(answer, upstream.answer(200, body)))
        return None

    def _free(self, request: Outgoing, path: str, answer: "asyncio.Future[Answer]") -> None:
        if self._chaos.hit("free call fails", 0.08):
            what = self._chaos.random.choice((OutcomeUnknown("cut"), 500, 401, 404, 429, b"<html>"))
            if isinstance(what, int):
                what = self._upstream.answer(what, {"error": "fault"})
            return _resolve(answer, self._upstream.answer(200, what) if isinstance(what, bytes) else what)
        return _resolve(answer, self._route(request, path))

    def _route(self, request: Outgoing, path: str) -> Answer:
        if path == "/v1/executions":
            return self._upstream.list(urlsplit(request.url).query)
        if path.startswith("/v1/webhooks"):
            return self._upstream.records(path, urlsplit(request.url).query)
        prediction = path.split("/")[3]
        return self._upstream.cancel(prediction) if request.method == "POST" else self._upstream.poll(prediction)


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


def _resolve(answer: "asyncio.Future[Answer]", what: Answer | Exception) -> None:
    if answer.done():
        return
    if isinstance(what, Exception):
        answer.set_exception(what)
    else:
        answer.set_result(what)


def _usd(units: int) -> msgspec.Raw:
    return msgspec.Raw(f"{units // 10**8}.{units % 10**8:08}".encode())
