"""One reserve decides over every limit at once: at the exact boundary, and without a trace when it refuses."""

import pytest

from gateway.domain.limit import Limit, Mode
from gateway.domain.window import WindowName
from gateway.ledger.decisions import Admitted, Busy, Capacity, OverLimit
from ledger.bench import (
    ACCOUNT,
    KEY,
    PARENT,
    SCOPES,
    TENANT,
    Bench,
    budget,
    concurrency,
    count,
    nothing_changes,
    rate,
    use_of,
    violated,
)

SHADOW = {"mode": Mode.SHADOW}


@pytest.mark.parametrize(
    ("limit", "times", "hold"),
    [
        (budget(30), 3, 10),
        (budget(10, ACCOUNT, WindowName.TOTAL), 1, 10),
        (count(3, KEY), 3, 0),
        (rate(60, 3, PARENT), 3, 0),
        (rate(1, 1, window=None), 1, 0),
        (concurrency(3), 3, 0),
    ],
    ids=lambda value: value.id if isinstance(value, Limit) else "",
)
async def test_a_limit_is_used_up_to_its_last_unit_and_not_beyond(
    bench: Bench, limit: Limit, times: int, hold: int
) -> None:
    postings = bench.postings(limit)
    decisions = [await bench.reserve(postings, hold) for _ in range(times)]
    assert all(isinstance(decision, Admitted) for decision in decisions)
    last = use_of(decisions[-1], limit)
    assert (last.used + last.held, last.violated) == (limit.amount, False)
    refused = await nothing_changes(bench, bench.reserve(postings, max(hold, 1)))
    assert violated(refused) == [limit.id]
    assert refused.uses[0].used + refused.uses[0].held == limit.amount


async def test_a_budget_admits_the_exact_rest_and_refuses_one_unit_more(bench: Bench) -> None:
    postings = bench.postings(budget(100))
    await bench.settled(postings, 40, hold=45)
    await bench.admit(postings, 25)
    assert violated(await bench.reserve(postings, 36)) == ["budget-tenant/t-enforce"]
    assert isinstance(await bench.reserve(postings, 35), Admitted)
    assert violated(await bench.reserve(postings, 1)) == ["budget-tenant/t-enforce"]
    assert isinstance(await bench.reserve(postings, 0), Admitted)  # nothing asked, nothing passed


async def test_a_limit_of_zero_admits_nothing_that_it_counts(bench: Bench) -> None:
    assert isinstance(await bench.reserve(bench.postings(budget(0)), 0), Admitted)
    for limit in (budget(0), count(0), concurrency(0)):
        postings = bench.postings(limit)
        await bench.prime(postings)
        assert violated(await nothing_changes(bench, bench.reserve(postings, 1))) == [limit.id]


async def test_every_violated_limit_is_told_in_the_order_of_the_policy_and_nothing_is_written(bench: Bench) -> None:
    wide = [budget(1000, KEY, WindowName.HOUR), count(1000, PARENT), concurrency(9, ACCOUNT)]
    tight = [concurrency(1, KEY), rate(60, 1), count(1), budget(15), budget(12, PARENT), count(1, ACCOUNT)]
    postings = bench.postings(*wide, *tight)
    await bench.admit(postings, 10)
    refused = await nothing_changes(bench, bench.reserve(postings, 10))
    assert violated(refused) == [limit.id for limit in tight]


async def test_a_refusal_by_the_last_line_leaves_rates_slots_and_counters_before_it_as_they_are(
    bench: Bench,
) -> None:
    postings = bench.postings(rate(60, 9), concurrency(9), count(9), budget(99), budget(5, ACCOUNT))
    await bench.prime(postings)
    refused = await nothing_changes(bench, bench.reserve(postings, 6, idempotency=("key", "print")))
    assert violated(refused) == ["budget-account/up-enforce"]


async def test_a_busy_upstream_leaves_nothing_behind(bench: Bench) -> None:
    postings = bench.postings(rate(60, 9), concurrency(9), count(9), budget(99))
    await bench.prime(postings)
    full = [Capacity("main", 100, 0)]
    assert isinstance(await nothing_changes(bench, bench.reserve(postings, 6, full)), Busy)


async def test_a_shadow_limit_counts_beyond_its_bound_and_never_refuses(bench: Bench) -> None:
    shadows = [budget(15, **SHADOW), count(1, **SHADOW), concurrency(1, **SHADOW)]
    postings = bench.postings(*shadows)
    decisions = [await bench.reserve(postings, 10) for _ in range(3)]
    assert [[use.violated for use in each.uses] for each in decisions] == [[False] * 3, [True] * 3, [True] * 3]
    assert [use.used + use.held for use in decisions[-1].uses] == [30, 3, 3]


async def test_an_exceeded_shadow_rate_leaves_its_clock_where_it_was(bench: Bench) -> None:
    limit = rate(60, 2, **SHADOW)
    postings = bench.postings(limit)
    key = f"{postings.prefix}:g:{TENANT}|minute|shadow"
    for _ in range(2):
        await bench.admit(postings)
    before = await bench.views.clock_us(key)
    assert use_of(await bench.reserve(postings), limit).violated
    assert await bench.views.clock_us(key) == before == await bench.now() + 120_000_000
    await bench.advance(60)
    assert not use_of(await bench.reserve(postings), limit).violated


async def test_enforced_and_shadow_limits_share_a_counter_but_have_a_clock_each(bench: Bench) -> None:
    limits = (budget(30), budget(15, **SHADOW), rate(60, 5), rate(60, 1, **SHADOW))
    postings = bench.postings(*limits)
    assert len(postings.counters) == 1
    await bench.admit(postings, 10)
    decision = await bench.reserve(postings, 10)
    assert [use.violated for use in decision.uses] == [False, True, False, True]
    assert await bench.counted() == (0, 20, 2)
    assert violated(await bench.reserve(postings, 11))[0] == limits[0].id


async def test_children_share_their_parents_limit_and_have_their_own(bench: Bench) -> None:
    shared = budget(25, PARENT)
    mine = bench.postings(budget(20), shared)
    sibling = bench.postings(budget(20, "tenant/s"), shared, scopes=("tenant/s/key/k", "tenant/s", PARENT, ACCOUNT))
    await bench.admit(mine, 15)
    assert violated(await bench.reserve(mine, 6)) == ["budget-tenant/t-enforce"]
    assert violated(await bench.reserve(sibling, 11)) == ["budget-tenant/p-enforce"]
    await bench.admit(sibling, 10)
    assert violated(await bench.reserve(mine, 1)) == ["budget-tenant/p-enforce"]
    assert [(await bench.counted(scope)).held for scope in (TENANT, "tenant/s", PARENT)] == [15, 10, 25]


async def test_a_dry_reserve_answers_the_same_and_writes_nothing(bench: Bench) -> None:
    postings = bench.postings(budget(20), count(2), rate(60, 2), concurrency(2))
    await bench.admit(postings, 10)
    dry = await nothing_changes(bench, bench.reserve(postings, 10, dry=True))
    assert [(use.used, use.held) for use in dry.uses] == [(0, 10), (1, 0), (1, 0), (1, 0)]
    await bench.admit(postings, 10)
    refused = await nothing_changes(bench, bench.reserve(postings, 1, dry=True))
    assert len(violated(refused)) == 4


async def test_a_create_without_limits_is_admitted_and_counts_for_its_scopes(bench: Bench) -> None:
    await bench.admit(bench.postings())
    now = await bench.now()
    assert [await bench.views.slots(scope, now) for scope in SCOPES] == [1] * 4


async def test_a_slot_frees_itself_after_its_time_and_not_before(bench: Bench) -> None:
    postings = bench.postings(concurrency(1))
    await bench.admit(postings, slot_s=600)
    await bench.advance(599.999999)
    assert isinstance(await bench.reserve(postings), OverLimit)
    await bench.advance(0.000001)
    assert isinstance(await bench.reserve(postings), Admitted)
