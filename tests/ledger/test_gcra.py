"""A tenant's rate against a bucket written down plainly: it leaks in the order of admission, one create at a time."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.ledger.decisions import Admitted
from ledger.bench import NOON_US, SECOND, TENANT, Bench, rate, use_of

INTERVAL_S = 10
SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
#: (seconds until it happens; None to ask for a create, or which of the admitted ones to release)
STEPS = st.lists(st.tuples(st.integers(0, 25), st.none() | st.integers(0, 9)), max_size=25)


@dataclass
class Bucket:
    """What a rate means: each create pours in an interval's worth, and the oldest leaks out first."""

    burst: int
    drops: list[list[float]] = field(default_factory=list)  # [id, seconds of it left]

    def leak(self, seconds: float) -> None:
        while self.drops and seconds > 0:
            gone = min(seconds, self.drops[0][1])
            self.drops[0][1] -= gone
            seconds -= gone
            if not self.drops[0][1]:
                self.drops.pop(0)

    @property
    def level(self) -> float:
        return sum(left for _, left in self.drops)

    def admits(self) -> bool:
        return self.level + INTERVAL_S <= self.burst * INTERVAL_S

    def pour(self, id_: int) -> None:
        self.drops.append([id_, INTERVAL_S])

    def release(self, id_: int) -> None:
        self.drops = [drop for drop in self.drops if drop[0] != id_]


@dataclass
class Run:
    """One account's creates under one rate, and the bucket beside it; times in whole seconds."""

    bench: Bench
    burst: int
    now: int = 0
    admitted: dict[int, tuple[str, int]] = field(default_factory=dict)  # number → id, time; without released ones
    bucket: Bucket = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = Bucket(self.burst)
        self.limit = rate(INTERVAL_S, self.burst)
        self.postings = self.bench.postings(self.limit)

    async def begin(self) -> None:
        await self.bench.begin()
        await self.bench.at(NOON_US)

    async def wait(self, seconds: int) -> None:
        self.now += seconds
        await self.bench.at(NOON_US + self.now * SECOND)
        self.bucket.leak(seconds)

    async def create(self) -> bool:
        order = self.bench.order(0)
        decision = await self.bench.ledger.reserve(order, self.postings, [("main", 10**6, 10**6)])
        if isinstance(decision, Admitted):
            number = len(self.admitted) + 1000 * self.now
            while number in self.admitted:
                number += 1
            self.admitted[number] = (order.id, self.now)
            self.bucket.pour(number)
        else:
            assert use_of(decision, self.limit).wait_us > 0
        return isinstance(decision, Admitted)

    async def release(self, choice: int) -> None:
        if self.admitted:
            number = list(self.admitted)[choice % len(self.admitted)]
            await self.bench.ledger.release(self.admitted.pop(number)[0], sent=True, reason="refused")
            self.bucket.release(number)

    async def level(self) -> float:
        clock = await self.bench.views.clock_us(f"{self.postings.prefix}:g:{TENANT}|minute|enforce")
        return max(clock - NOON_US - self.now * SECOND, 0) / SECOND

    def check_every_span(self) -> None:
        times = sorted(at for _, at in self.admitted.values())
        for first, start in enumerate(times):
            for last, end in enumerate(times[first:], first):
                assert last - first + 1 <= self.burst + (end - start) // INTERVAL_S


@SETTINGS
@given(burst=st.integers(1, 5), pauses=st.lists(st.integers(0, 25), max_size=30))
async def test_without_releases_exactly_those_are_admitted_that_the_bucket_holds(
    bench: Bench, burst: int, pauses: list[int]
) -> None:
    run = Run(bench, burst)
    await run.begin()
    for pause in pauses:
        await run.wait(pause)
        wanted = run.bucket.admits()
        assert await run.create() == wanted
        assert await run.level() == run.bucket.level
    run.check_every_span()


@SETTINGS
@given(burst=st.integers(1, 4), steps=STEPS)
@example(burst=1, steps=[(0, None), (12, None), (1, 0), (0, None)])
@example(burst=2, steps=[(0, None), (0, None), (0, 0), (12, None), (3, 0), (0, None), (2, None)])
async def test_a_release_gives_back_no_more_than_has_not_leaked_yet(
    bench: Bench, burst: int, steps: list[tuple[int, int | None]]
) -> None:
    run = Run(bench, burst)
    await run.begin()
    for pause, choice in steps:
        await run.wait(pause)
        if choice is None:
            allowed = run.bucket.admits()
            assert not await run.create() or allowed
        else:
            await run.release(choice)
        assert await run.level() >= run.bucket.level
        run.check_every_span()


@pytest.mark.parametrize(("pause", "left"), [(0, 10), (4, 10), (10, 10), (13, 7), (20, 0)])
async def test_a_release_gives_back_what_is_left_of_its_own_create(bench: Bench, pause: int, left: int) -> None:
    run = Run(bench, 3)
    await run.begin()
    for _ in range(2):
        await run.create()
    await run.wait(pause)
    await run.release(1)
    assert await run.level() == max(20 - pause - left, 0) == run.bucket.level


async def test_creates_that_are_released_at_once_leave_the_whole_burst(bench: Bench) -> None:
    run = Run(bench, 3)
    await run.begin()
    for _ in range(7):
        assert await run.create()
        await run.release(0)
    assert [await run.create() for _ in range(4)] == [True, True, True, False]


async def test_the_wait_that_a_refusal_names_is_the_shortest_that_helps(bench: Bench) -> None:
    run = Run(bench, 2)
    await run.begin()
    await run.create()
    await run.create()
    await run.wait(3)
    refused = await bench.reserve(run.postings, 0)
    assert use_of(refused, run.limit).wait_us == 7 * SECOND
    await bench.advance(6.999999)
    assert not isinstance(await bench.reserve(run.postings, 0), Admitted)
    await bench.advance(0.000001)
    assert isinstance(await bench.reserve(run.postings, 0), Admitted)
