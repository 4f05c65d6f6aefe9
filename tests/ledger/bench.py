"""The bench: one account's ledger on a real store, whose clock stands still until a test moves it.

The scripts read their time from a key of the account, so that the clock is an argument. It stands in 2050, ahead of
the store's own clock, by which keys expire: nothing that a test looks at expires while it runs.
"""

import itertools
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from gateway.domain.limit import Limit, LimitKind, Mode
from gateway.domain.reservation import How, Reservation
from gateway.domain.window import WindowName, bounds
from gateway.ledger.decisions import Admitted, Capacity, Decision, Order, OverLimit, Use
from gateway.ledger.ledger import Ledger
from gateway.ledger.outbox import Outbox
from gateway.ledger.postings import Counter, Postings, Snapshot
from gateway.ledger.requests import reserve_request
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import LedgerUnavailable, Store, connect
from gateway.ledger.views import Counted, Views
from ledger.wire import read_entry, read_labels

SCRIPTS = load_scripts("local function store_time() return tonumber(redis.call('GET', KEYS[1] .. ':test-now')) end")
UTC_ZONE = ZoneInfo("UTC")
SECOND = 1_000_000
NOON_US = int(datetime(2050, 3, 15, 12, tzinfo=UTC).timestamp()) * SECOND
#: The scopes of a key below a tenant below a parent.
SCOPES = ("tenant/t/key/k", "tenant/t", "tenant/p", "account/up")
KEY, TENANT, PARENT, ACCOUNT = SCOPES
WIDE = (Capacity("main", 100_000, 100_000),)


async def reached(url: str, seconds: float = 30) -> Store:
    """Connect to a store, whose first answer may take longer on a busy machine than a call may."""
    store, give_up = connect(url), time.monotonic() + seconds
    while True:
        try:
            await store.read("GET", "nothing")
            return store
        except LedgerUnavailable:
            if time.monotonic() > give_up:
                raise


def budget(amount: int, scope: str = TENANT, window: WindowName = WindowName.DAY, **more: Any) -> Limit:
    return _limit(LimitKind.BUDGET, amount, scope, window=window, **{"zone": UTC_ZONE} | more)


def count(amount: int, scope: str = TENANT, window: WindowName = WindowName.DAY, **more: Any) -> Limit:
    return _limit(LimitKind.COUNT, amount, scope, window=window, **{"zone": UTC_ZONE} | more)


def rate(interval_s: float, burst: int, scope: str = TENANT, **more: Any) -> Limit:
    whole = {"window": WindowName.MINUTE, "interval_us": int(interval_s * SECOND)} | more
    return _limit(LimitKind.RATE, burst, scope, **whole)


def concurrency(amount: int, scope: str = TENANT, **more: Any) -> Limit:
    return _limit(LimitKind.CONCURRENCY, amount, scope, **more)


def _limit(kind: LimitKind, amount: int, scope: str, mode: Mode = Mode.ENFORCE, id: str = "", **more: Any) -> Limit:
    return Limit(scope, id or f"{kind}-{scope}-{mode}", kind, mode, amount, **more)


@dataclass
class Bench:
    """One account's ledger, views and raw store."""

    redis: Redis
    store: Store
    account: str = "up"
    ledger: Ledger = field(init=False)
    views: Views = field(init=False)
    outbox: Outbox = field(init=False)
    ids: Any = field(default_factory=lambda: (f"r{number}" for number in itertools.count(1)))

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store, SCRIPTS, self.account)
        self.views = Views(self.store, self.account)
        self.outbox = Outbox(self.store, SCRIPTS, self.account)
        self._clock = f"{self.ledger.prefix}:test-now"

    async def begin(self) -> None:
        """Empty the store, and be a worker that has seen nothing of it."""
        await self.redis.flushall()
        self.ledger = Ledger(self.store, SCRIPTS, self.account)

    async def at(self, us: int) -> None:
        """Set the store's clock."""
        await self.store.read("SET", self._clock, us)

    async def now(self) -> int:
        return int(await self.store.read("GET", self._clock))

    async def advance(self, seconds: float) -> None:
        await self.store.read("INCRBY", self._clock, int(seconds * SECOND))

    def postings(self, *limits: Limit, scopes: Sequence[str] = SCOPES) -> Postings:
        return Postings(self.ledger.prefix, scopes, limits)

    def order(self, hold: int = 10, **more: Any) -> Order:
        whole = {
            "id": next(self.ids),
            "tenant": "t",
            "key": "k",
            "model": "m",
            "price_version": "v1",
            "estimate": hold,
            "hold": hold,
            "slot_s": 600.0,
            "stale_s": 45.0,
        }
        return Order(**whole | more)

    async def reserve(
        self, postings: Postings, hold: int = 10, upstream: Sequence[Capacity] = WIDE, **more: Any
    ) -> Decision:
        return await self.ledger.reserve(self.order(hold, **more), postings, list(upstream))

    async def admit(
        self, postings: Postings, hold: int = 10, upstream: Sequence[Capacity] = WIDE, **more: Any
    ) -> Reservation:
        """Reserve, and give the record of what must have been admitted."""
        order = self.order(hold, **more)
        decision = await self.ledger.reserve(order, postings, list(upstream))
        assert isinstance(decision, Admitted), decision
        return await self.record(order.id)

    async def request(self, order: Order, postings: Postings, snapshot: Snapshot) -> dict[str, Any]:
        """Give what the reserve script is asked, for a snapshot of the test's choice."""
        return reserve_request(order, postings, snapshot, WIDE, await self.ledger.now_us(), None)

    async def settled(self, postings: Postings, cost: int, hold: int | None = None) -> Reservation:
        """Take a reservation through its whole life."""
        held = await self.admit(postings, cost if hold is None else hold)
        await self.ledger.confirm(held.id, f"p-{held.id}", 5)
        await self.ledger.settle(held.id, cost, How.EXACT, "success")
        return await self.record(held.id)

    async def record(self, reservation: str) -> Reservation:
        found = await self.views.reservation(reservation)
        assert found is not None
        return found

    async def counted(
        self, scope: str = TENANT, window: WindowName = WindowName.DAY, zone: ZoneInfo = UTC_ZONE, at: int = 0
    ) -> Counted:
        start = bounds(window, zone, at or await self.now()).start_us
        return await self.views.counted(Counter(scope, window, zone), start)

    async def prime(self, postings: Postings) -> None:
        """Register the postings and tell the worker the time, so that a refusal after it has nothing to write."""
        await self.reserve(postings, 0, dry=True)

    async def dump(self) -> dict[str, Any]:
        """Give everything in the store with its expiries, except the test's clock."""
        names = sorted(name.decode() for name in await self.redis.keys("*") if name != self._clock.encode())
        types = await self._each(("TYPE", name) for name in names)
        values = await self._each(_reading(kind, name) for kind, name in zip(types, names, strict=True))
        expiries = await self._each(("PEXPIRETIME", name) for name in names)
        return {name: pair for name, *pair in zip(names, values, expiries, strict=True)}

    async def journal(self) -> list[dict[str, Any]]:
        """Give every entry, oldest first, its data decoded."""
        entries = await self.redis.xrange(f"{self.ledger.prefix}:journal")
        labels = read_labels(await self.redis.hgetall(f"{self.ledger.prefix}:labels:n"))
        return [read_entry(id_, fields, labels) for id_, fields in entries]

    async def _each(self, commands: Iterable[tuple[str, ...]]) -> list[Any]:
        async with self.redis.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute()


def _reading(kind: bytes, name: str) -> tuple[str, ...]:
    match kind:
        case b"hash":
            return ("HGETALL", name)
        case b"zset":
            return ("ZRANGE", name, "0", "-1", "WITHSCORES")
        case b"list":
            return ("LRANGE", name, "0", "-1")
        case b"set":
            return ("SMEMBERS", name)
        case b"stream":
            return ("XRANGE", name, "-", "+")
    assert kind == b"string", (kind, name)
    return ("GET", name)


def violated(decision: Decision) -> list[str]:
    """Give the ids of the limits that a refusal names, in its order."""
    assert isinstance(decision, OverLimit), decision
    return [use.limit.id for use in decision.uses if use.violated]


def use_of(decision: Decision, limit: Limit) -> Use:
    assert isinstance(decision, Admitted | OverLimit), decision
    return next(use for use in decision.uses if use.limit == limit)


async def nothing_changes(bench: Bench, act: Awaitable[Any]) -> Any:
    """Await an act and check that not one key or expiry in the whole store is another afterwards."""
    before = await bench.dump()
    result = await act
    assert await bench.dump() == before
    return result
