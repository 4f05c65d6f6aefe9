"""A long random life of an account, and after every step: what the store says is what a plain model says."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.domain.limit import Limit, LimitKind, Mode
from gateway.domain.reservation import TRANSITIONS, Event, How, State
from gateway.domain.window import WindowName, bounds
from gateway.ledger.audit import Auditor
from gateway.ledger.decisions import Admitted, Busy, Capacity, OverLimit
from gateway.ledger.postings import Counter, Postings, counter_of
from ledger.bench import ACCOUNT, KEY, PARENT, SCRIPTS, TENANT, UTC_ZONE, Bench, budget, concurrency, count, rate

SHADOW = {"mode": Mode.SHADOW}
CHILD = (KEY, TENANT, PARENT, ACCOUNT)
SIBLING = ("tenant/s/key/k", "tenant/s", PARENT, ACCOUNT)
MOVED = (KEY, TENANT, "tenant/q", ACCOUNT)
#: Policies that come and go: limits appear, vanish, return; a tenant moves below another parent.
POLICIES: tuple[tuple[tuple[str, ...], tuple[Limit, ...]], ...] = (
    (CHILD, (budget(300), count(60), budget(900, ACCOUNT, WindowName.MONTH), concurrency(12))),
    (SIBLING, (budget(400, PARENT), concurrency(6, "tenant/s"), budget(900, ACCOUNT, WindowName.MONTH))),
    (CHILD, (budget(150, window=WindowName.HOUR), rate(30, 4), budget(10**6, PARENT, WindowName.TOTAL))),
    (MOVED, (count(9, KEY, WindowName.MINUTE), budget(50, **SHADOW), budget(5000, "tenant/q"))),
    (SIBLING, ()),
)
SLOT_US = 600 * 1_000_000
EVENTS = (Event.CONFIRM, Event.CONFIRM, Event.DOUBT, Event.FINISH, Event.SETTLE, Event.SETTLE, Event.RELEASE)

ENDED = frozenset((State.SETTLED, State.RELEASED))


@dataclass
class Life:
    """What the model knows of one reservation."""

    scopes: tuple[str, ...]
    hold: int
    admitted: int
    state: State = State.HELD
    cost: int = 0
    finished: bool = False

    @property
    def live(self) -> bool:
        return self.state not in ENDED


@dataclass
class World:
    """The driver: acts on the store and on the model, and compares."""

    bench: Bench
    chance: random.Random
    lives: dict[str, Life] = field(default_factory=dict)
    refusals: int = 0

    def __post_init__(self) -> None:
        self.policies = [self.bench.postings(*limits, scopes=scopes) for scopes, limits in POLICIES]

    async def step(self) -> None:
        match self.chance.randrange(10):
            case 0:
                await self.bench.advance(self.chance.choice((0, 1, 20, 70, 700, 4000, 40_000)))
            case 1 | 2 | 3 | 4:
                await self.create()
            case _:
                await self.event()

    async def create(self) -> None:
        postings, hold = self.chance.choice(self.policies), self.chance.choice((0, 1, 7, 40, 90))
        order = self.bench.order(hold)
        decision = await self.bench.ledger.reserve(order, postings, [Capacity("a", 9, 8), Capacity("b", 30, 9)])
        now = await self.bench.now()
        over = self.over(postings, hold, now)
        if isinstance(decision, Admitted):
            assert not over
            self.lives[order.id] = Life(tuple(postings.scopes), hold, now)
        else:
            self.refusals += 1
            assert isinstance(decision, OverLimit | Busy)
            assert isinstance(decision, Busy) or self.violated(decision) >= over
            assert await self.bench.views.reservation(order.id) is None

    def over(self, postings: Postings, hold: int, now: int) -> set[str]:
        """Give the enforced budgets, counts and slots that one more create would pass; rates are tried elsewhere."""
        return {limit.id for limit in postings.limits if limit.mode is Mode.ENFORCE and self.passes(limit, hold, now)}

    def passes(self, limit: Limit, hold: int, now: int) -> bool:
        counter = counter_of(limit)
        if counter:
            charged, held, predictions = self.sums(counter, bounds(counter.window, counter.zone, now).start_us)
            used, more = (predictions, 1) if limit.kind is LimitKind.COUNT else (charged + held, hold)
            return used + more > limit.amount
        return limit.kind is LimitKind.CONCURRENCY and self.slots(limit.scope, now) + 1 > limit.amount

    @staticmethod
    def violated(decision: OverLimit) -> set[str]:
        return {use.limit.id for use in decision.uses if use.violated and use.limit.mode is Mode.ENFORCE}

    async def event(self) -> None:
        if not self.lives:
            return
        id_ = self.chance.choice(list(self.lives)[-40:])
        life, event = self.lives[id_], self.chance.choice(EVENTS)
        wanted = TRANSITIONS.get((life.state, event))
        cost = self.chance.choice((0, life.hold, life.hold, life.hold // 2, life.hold + 5))
        await self.apply(id_, event, cost)
        if wanted is not None:
            life.state = wanted
            life.finished |= event is Event.FINISH
            life.cost = cost if event is Event.SETTLE else life.cost
        assert (await self.bench.record(id_)).state is life.state

    async def apply(self, id_: str, event: Event, cost: int) -> None:
        ledger = self.bench.ledger
        match event:
            case Event.CONFIRM:
                await ledger.confirm(id_, f"p-{id_}", 5)
            case Event.DOUBT:
                await ledger.doubt(id_, "no answer", 5)
            case Event.FINISH:
                await ledger.finish(id_, "success", 2)
            case Event.SETTLE:
                await ledger.settle(id_, cost, How.ASSUMED, "success")
            case Event.RELEASE:
                await ledger.release(id_, sent=self.chance.random() < 0.5, reason="refused")

    def sums(self, counter: Counter, start: int) -> tuple[int, int, int]:
        stop = bounds(counter.window, counter.zone, start).stop_us
        inside = [x for x in self.lives.values() if counter.scope in x.scopes and start <= x.admitted < stop]
        return (
            sum(x.cost for x in inside if x.state is State.SETTLED),
            sum(x.hold for x in inside if x.live),
            sum(x.state is not State.RELEASED for x in inside),
        )

    def slots(self, scope: str, now: int) -> int:
        return sum(
            x.live and not x.finished and x.admitted + SLOT_US > now and scope in x.scopes
            for x in self.lives.values()
        )

    async def check(self) -> None:
        """Invariants 1, 2, 3 and 5: every counter that is in force, every slot, every state."""
        now = await self.bench.now()
        for postings in self.policies:
            await self.bench.prime(postings)
            for counter in postings.counters:
                start = bounds(counter.window, counter.zone, now).start_us
                assert await self.bench.views.counted(counter, start) == self.sums(counter, start), counter
        for scope in {*CHILD, *SIBLING, *MOVED}:
            assert await self.bench.views.slots(scope, now) == self.slots(scope, now), scope
        live = [x.admitted for x in self.lives.values() if x.live]
        doubts = sum(x.state is State.IN_DOUBT for x in self.lives.values())
        assert await self.bench.views.totals() == (len(live) - doubts, doubts, min(live, default=None))

    async def check_audit(self) -> None:
        """The auditor agrees, and a rebuild leaves what is right."""
        auditor = Auditor(self.bench.store, SCRIPTS, self.bench.account)
        report = await auditor.verify()
        assert report.faults == []
        assert report.live == sum(life.live for life in self.lives.values())
        assert (await auditor.rebuild()).faults == []
        assert (await auditor.verify()).faults == []
        await self.check()

    async def check_journal(self) -> None:
        """Invariants 4 and 5: a dense sequence whose fold is every counter there ever was; one beginning, one end."""
        journal = await self.bench.journal()
        assert [entry["seq"] for entry in journal] == list(range(1, len(journal) + 1))
        assert [entry["at"] for entry in journal] == sorted(entry["at"] for entry in journal)
        begun = [entry["id"] for entry in journal if entry["event"] == "reserve"]
        ended = [entry["id"] for entry in journal if entry["event"] in ("settle", "release")]
        assert sorted(begun) == sorted(self.lives)
        assert sorted(ended) == sorted(id_ for id_, life in self.lives.items() if not life.live)
        scopes = {postings.id: postings.scopes for postings in self.policies}
        for counter in {counter for postings in self.policies for counter in postings.counters}:
            folded = fold(journal, counter, scopes)
            for start, sums in folded.items():
                assert sums == self.sums(counter, start), counter


def fold(
    journal: list[dict[str, Any]], counter: Counter, scopes: dict[str, list[str]]
) -> dict[int, tuple[int, int, int]]:
    """Add the entries up by window: (charged, held, predictions)."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for entry in journal:
        match entry["event"]:
            case "reserve":
                admitted, change = entry["at"], (0, entry["hold"], 1)
            case "settle":
                admitted, change = entry["admitted"], (entry["cost"], -entry["hold"], 0)
            case "release":
                admitted, change = entry["admitted"], (0, -entry["hold"], -1)
            case _:
                continue
        if counter.scope in scopes[entry["postings"]]:
            found = sums[bounds(counter.window, counter.zone, admitted).start_us]
            found[:] = [old + more for old, more in zip(found, change, strict=True)]
    return {start: (found[0], found[1], found[2]) for start, found in sums.items()}


@pytest.mark.parametrize("seed", range(6))
async def test_after_every_step_of_a_random_life_the_store_says_what_the_model_says(bench: Bench, seed: int) -> None:
    world = World(bench, random.Random(seed))
    for number in range(200):
        await world.step()
        if number % 4 == 0:
            await world.check()
    await world.check()
    await world.check_journal()
    await world.check_audit()
    states = {life.state for life in world.lives.values()}
    assert (len(states), world.refusals > 5) == (5, True)


async def test_the_fold_of_a_small_journal_is_what_it_should_be(bench: Bench) -> None:
    postings = bench.postings(budget(100))
    await bench.settled(postings, 7, hold=9)
    await bench.admit(postings, 5)
    released = await bench.admit(postings, 3)
    await bench.ledger.release(released.id, sent=False, reason="refused")
    folded = fold(await bench.journal(), Counter(TENANT, WindowName.DAY, UTC_ZONE), {postings.id: postings.scopes})
    assert list(folded.values()) == [(7, 5, 2)]
