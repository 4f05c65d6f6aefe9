"""Rolling windows: never more than the limit in any span of their length, beside a model that forgets nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.domain.limit import Limit
from gateway.domain.reservation import How
from gateway.domain.window import BUCKETS, Rolling
from gateway.ledger.alerts import Alerts
from gateway.ledger.audit import Auditor
from gateway.ledger.decisions import Admitted, OverLimit
from gateway.ledger.postings import Counted
from ledger.bench import NOON_US, SCRIPTS, SECOND, TENANT, Bench, budget, count, nothing_changes, use_of, violated

MINUTE, DAY = Rolling(1), Rolling(1440)
LENGTH_US, BUCKET_US = 60 * SECOND, SECOND
SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
#: Milliseconds until it happens, and what: a create of a hold, or the end of one of the live ones at a cost (-1: it
#: is released), or the correction of one that was assumed.
STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3000), st.integers(0, 70_000), st.sampled_from((59_999, 60_000, 61_000, 7_200_000))),
        st.sampled_from(("create", "create", "create", "end", "correct")),
        st.integers(0, 9),
        st.integers(-1, 12),
    ),
    max_size=40,
)


@dataclass
class Created:
    """One reservation; times in microseconds of the store."""

    id: str
    at: int
    amount: int
    state: str = "live"


@dataclass
class Naive:
    """Everything that was ever counted, with its time, kept for ever."""

    bench: Bench
    limits: tuple[Limit, Limit]
    created: list[Created] = field(default_factory=list)
    later: list[tuple[int, int]] = field(default_factory=list)  # corrections: time, amount
    now: int = NOON_US

    async def begin(self) -> None:
        await self.bench.begin()
        await self.bench.at(self.now)
        self.postings = self.bench.postings(*self.limits)

    def money_since(self, start: int) -> int:
        held = sum(each.amount for each in self.created if each.at >= start)
        return held + sum(more for at, more in self.later if at >= start)

    def number_since(self, start: int) -> int:
        return sum(each.at >= start and each.state != "released" for each in self.created)

    async def step(self, wait_ms: int, act: str, choice: int, amount: int) -> None:
        self.now += wait_ms * 1000
        await self.bench.at(self.now)
        await getattr(self, act)(choice, amount)

    async def create(self, _: int, hold: int) -> None:
        hold = max(hold, 0)
        first = (self.now // BUCKET_US - BUCKETS) * BUCKET_US
        fits = (
            self.money_since(first) + hold <= self.limits[0].amount,
            self.number_since(first) < self.limits[1].amount,
        )
        order = self.bench.order(hold)
        decision = await self.bench.ledger.reserve(order, self.postings, [("main", 10**6, 10**6)])
        assert isinstance(decision, Admitted | OverLimit)
        assert [not use.violated for use in decision.uses] == list(fits)
        if isinstance(decision, Admitted):
            self.created.append(Created(order.id, self.now, hold))
            # Whatever the buckets are: in no span of the length that ends here is more than the limit.
            assert self.money_since(self.now - LENGTH_US) <= self.limits[0].amount
            assert self.number_since(self.now - LENGTH_US) <= self.limits[1].amount
        else:
            await self.check_waits(decision, hold)

    async def check_waits(self, decision: OverLimit, hold: int) -> None:
        """A create is told the first moment at which what it asks for is free, if nothing else comes."""
        for use, asked in zip(decision.uses, (hold, 1), strict=True):
            if not use.violated:
                continue
            since = self.money_since if use.limit is self.limits[0] else self.number_since
            whole = [self.now // BUCKET_US * BUCKET_US + number * BUCKET_US for number in range(1, BUCKETS + 2)]
            fits = [at for at in whole if since(at - BUCKETS * BUCKET_US) + asked <= use.limit.amount]
            assert use.wait_us == (fits[0] - self.now if fits else 0)

    async def end(self, choice: int, cost: int) -> None:
        live = [each for each in self.created if each.state == "live"]
        if not live:
            return
        each, ledger = live[choice % len(live)], self.bench.ledger
        if cost < 0:
            await ledger.release(each.id, sent=True, reason="refused")
            each.amount, each.state = 0, "released"
            return
        await ledger.confirm(each.id, f"p-{each.id}", 5)
        await ledger.settle(each.id, cost, How.ASSUMED, "success")
        each.amount, each.state = cost, "assumed" if cost <= each.amount else "ended"

    async def correct(self, choice: int, cost: int) -> None:
        assumed = [each for each in self.created if each.state == "assumed"]
        if not assumed or cost < 0:
            return
        each = assumed[choice % len(assumed)]
        if cost == each.amount:
            return
        record = await self.bench.record(each.id)
        assert await self.bench.ledger.correct(record, each.amount, cost)
        each.state = "ended"
        if cost > each.amount:
            self.later.append((self.now, cost - each.amount))
        else:
            each.amount = cost

    async def check(self) -> None:
        """What is counted is what the model has, and the journal says the same."""
        await self.bench.prime(self.postings)
        first = (self.now // BUCKET_US - BUCKETS) * BUCKET_US
        counted = await self.bench.views.counted(self.postings.counters[0], first)
        assert (counted.charged + counted.held, counted.predictions) == (
            self.money_since(first),
            self.number_since(first),
        )
        assert (await Auditor(self.bench.store, SCRIPTS, "up").verify()).faults == []


def both(amount: int, number: int) -> tuple[Limit, Limit]:
    return budget(amount, window=MINUTE), count(number, window=MINUTE)


@SETTINGS
@given(amount=st.integers(0, 40), number=st.integers(1, 6), steps=STEPS)
@example(amount=10, number=6, steps=[(999, "create", 0, 10), (60_000, "create", 0, 1), (1, "create", 0, 1)])
@example(amount=9, number=6, steps=[(0, "create", 0, 9), (60_999, "create", 0, 1), (1, "create", 0, 9)])
@example(amount=9, number=6, steps=[(0, "create", 0, 9), (7_200_000, "end", 0, 9), (0, "correct", 0, 12)])
async def test_no_span_of_the_length_has_more_than_the_limit(
    bench: Bench, amount: int, number: int, steps: Sequence[tuple[int, str, int, int]]
) -> None:
    naive = Naive(bench, both(amount, number))
    await naive.begin()
    for step in steps:
        await naive.step(*step)
    await naive.check()


async def test_a_spend_lasts_the_length_and_up_to_a_bucket_more_and_never_less(bench: Bench) -> None:
    postings = bench.postings(budget(10, window=DAY))
    bucket = DAY.bucket_us
    assert bucket == 30 * 60 * SECOND
    for days, late in ((1, 0), (9, bucket - SECOND)):
        admitted = (NOON_US // bucket + days * DAY.buckets) * bucket + late
        await bench.at(admitted)
        await bench.admit(postings, 10)
        frees = admitted // bucket * bucket + DAY.buckets * bucket
        assert 86400 * SECOND < frees - admitted <= 86400 * SECOND + bucket
        await bench.at(frees - 2 * SECOND)
        assert violated(await bench.reserve(postings, 1)) == [postings.limits[0].id]
        await bench.at(frees)
        assert isinstance(await bench.reserve(postings, 10, dry=True), Admitted)


async def test_a_limit_added_now_knows_the_length_before_and_the_live_end_in_it(bench: Bench) -> None:
    plain = bench.postings()
    await bench.settled(plain, 7)
    await bench.advance(3600)
    live = await bench.admit(plain, 20)
    await bench.advance(3600)
    postings = bench.postings(budget(27, window=DAY), count(9, window=DAY))
    decision = await bench.reserve(postings, 1)
    assert [(use.used, use.held) for use in decision.uses] == [(7, 20), (2, 0)]
    await bench.ledger.confirm(live.id, "p", 5)
    await bench.ledger.settle(live.id, 5, How.EXACT, "success")
    await bench.admit(postings, 15)
    await bench.advance(86400)  # the first hours have left, what was admitted last has not
    decision = await bench.reserve(postings, 13)
    assert use_of(decision, postings.limits[0])[1:4] == (True, 0, 15)


async def test_a_limit_that_was_away_for_longer_than_its_length_starts_from_what_is_in_it(bench: Bench) -> None:
    with_limit, without = bench.postings(budget(30, window=MINUTE)), bench.postings()
    await bench.admit(with_limit, 30)
    await bench.advance(3600)
    await bench.admit(without, 20)
    await bench.advance(30)
    assert violated(await bench.reserve(with_limit, 11)) == [with_limit.limits[0].id]
    await bench.admit(with_limit, 10)
    assert (await Auditor(bench.store, SCRIPTS, "up").verify()).faults == []


async def test_a_refusal_and_a_quote_write_nothing_however_much_has_left(bench: Bench) -> None:
    postings = bench.postings(budget(30, window=MINUTE))
    for _ in range(3):
        await bench.admit(postings, 10)
        await bench.advance(20)
    await bench.prime(postings)
    await bench.advance(15)
    assert violated(await nothing_changes(bench, bench.reserve(postings, 11))) == [postings.limits[0].id]
    decision = await nothing_changes(bench, bench.reserve(postings, 10, dry=True))
    assert isinstance(decision, Admitted)
    assert use_of(decision, postings.limits[0]).held == 20


async def test_the_store_keeps_no_more_than_the_buckets_of_one_window(bench: Bench) -> None:
    postings = bench.postings(budget(10**6, window=MINUTE))
    for _ in range(200):
        await bench.admit(postings, 1)
        await bench.advance(1)
    (key,) = [name for name in await bench.dump() if ":c:" in name]
    assert await bench.redis.hlen(key) <= 5 + 2 * (BUCKETS + 1)  # nothing was charged
    assert 0 < await bench.redis.pexpiretime(key) // 1000 - await bench.now() // SECOND < 60 + 2 * 86400


async def test_an_audit_finds_a_wrong_bucket_and_a_rebuild_mends_it(bench: Bench) -> None:
    postings = bench.postings(budget(100, window=MINUTE))
    for _ in range(3):
        await bench.settled(postings, 10)
        await bench.advance(7)
    (key,) = [name for name in await bench.dump() if ":c:" in name]
    auditor = Auditor(bench.store, SCRIPTS, "up")
    assert (await auditor.verify()).faults == []
    field_ = f"c:{NOON_US // SECOND}"
    await bench.redis.hincrby(key, field_, 1)
    (fault,) = (await auditor.verify()).faults
    assert "rolling-1m|UTC, bucket" in fault
    await bench.redis.hincrby(key, "c", 5)
    assert len((await auditor.verify()).faults) == 2
    assert (await auditor.rebuild()).faults == []
    assert (await auditor.verify()).faults == []
    assert await bench.views.counted(postings.counters[0], 0) == Counted(30, 0, 3)


async def test_a_use_says_when_the_next_of_it_leaves(bench: Bench) -> None:
    limits = budget(100, window=MINUTE), count(10, window=MINUTE)
    postings = bench.postings(*limits)
    assert [use.wait_us for use in (await bench.reserve(postings, 0, dry=True)).uses] == [0, 0]
    await bench.admit(postings, 10)
    await bench.advance(30)
    decision = await bench.reserve(postings, 10, dry=True)
    assert [use.wait_us for use in decision.uses] == [31 * SECOND, 31 * SECOND]


async def test_a_threshold_is_told_once_in_a_length_and_again_when_one_has_passed(bench: Bench) -> None:
    limit = budget(300, id="minute", window=MINUTE, alert_at=(0.3,))
    postings = bench.postings(limit)
    raised = []
    for _ in range(7):
        await bench.admit(postings, 100)
        await bench.advance(25)
        raised.append((await bench.views.alerts()).get((TENANT, "minute", "0.3"), 0))
    assert raised == [1, 1, 1, 2, 2, 2, 3]
    alerts = (await Alerts(bench.store, SCRIPTS, "up").claim()).alerts
    assert [(alert.window, alert.stop_us) for alert in alerts] == [("rolling-1m", 0)] * 3
    assert len({alert.id for alert in alerts}) == 3
