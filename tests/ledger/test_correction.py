"""A cost that upstream states after an assumption is charged beside it, once."""

import pytest

from gateway.domain.limit import Limit
from gateway.domain.reservation import How, Reservation
from gateway.domain.window import WindowName
from gateway.ledger.audit import Auditor
from ledger.bench import ACCOUNT, SCRIPTS, Bench, budget, nothing_changes

DAY = 86_400
LIMITS = (budget(1000), budget(1000, window=WindowName.MONTH), budget(1000, ACCOUNT))


async def assumed(bench: Bench, *limits: Limit, at: int = 80) -> Reservation:
    held = await bench.admit(bench.postings(*limits), 100, estimate=at)
    await bench.ledger.confirm(held.id, f"p-{held.id}", 5)
    await bench.ledger.settle(held.id, at, How.ASSUMED, "success")
    return await bench.record(held.id)


async def the_audit_finds_nothing(bench: Bench) -> None:
    report = await Auditor(bench.store, SCRIPTS, bench.account).verify()
    assert report.faults == []
    assert report.counters > 0


@pytest.mark.parametrize("cost", [70, 80 + 15, 500])
async def test_the_difference_goes_to_the_same_window_while_it_lasts(bench: Bench, cost: int) -> None:
    ended = await assumed(bench, *LIMITS)
    assert await bench.ledger.correct(ended, 80, cost)
    assert (await bench.counted()).charged == (await bench.counted(ACCOUNT)).charged == cost
    record = await bench.record(ended.id)
    assert (record.cost, record.how) == (cost, How.LATE)
    await the_audit_finds_nothing(bench)


async def test_more_is_charged_to_the_window_of_now(bench: Bench) -> None:
    ended = await assumed(bench, *LIMITS)
    yesterday = await bench.now()
    await bench.advance(DAY)
    assert await bench.ledger.correct(ended, 80, 95)
    assert (await bench.counted(at=yesterday)).charged == 80
    assert (await bench.counted()).charged == 15
    assert (await bench.counted(window=WindowName.MONTH)).charged == 95
    await the_audit_finds_nothing(bench)


async def test_less_is_given_back_to_the_window_of_the_admission_and_to_no_other(bench: Bench) -> None:
    ended = await assumed(bench, *LIMITS)
    yesterday = await bench.now()
    await bench.advance(DAY)
    assert await bench.ledger.correct(ended, 80, 60)
    assert (await bench.counted(at=yesterday)).charged == 60
    assert (await bench.counted()).charged == 0
    assert (await bench.counted(window=WindowName.MONTH)).charged == 60
    await the_audit_finds_nothing(bench)


async def test_a_repeat_changes_nothing(bench: Bench) -> None:
    ended = await assumed(bench, *LIMITS)
    await bench.ledger.correct(ended, 80, 95)
    assert not await nothing_changes(bench, bench.ledger.correct(ended, 80, 95))
    assert not await nothing_changes(bench, bench.ledger.correct(ended, 80, 120))


async def test_a_stated_cost_is_never_corrected(bench: Bench) -> None:
    ended = await bench.settled(bench.postings(*LIMITS), 80, hold=100)
    assert not await nothing_changes(bench, bench.ledger.correct(ended, 80, 95))


@pytest.mark.parametrize("cost", [60, 95])
async def test_a_limit_that_came_after_the_admission_knows_of_the_correction(bench: Bench, cost: int) -> None:
    ended = await assumed(bench, budget(1000))
    newer = bench.postings(budget(1000), budget(1000, ACCOUNT))
    await bench.admit(newer, 10)
    await bench.ledger.correct(ended, 80, cost)
    await bench.admit(newer, 10)
    assert await bench.counted() == await bench.counted(ACCOUNT) == (cost, 20, 3)
    await the_audit_finds_nothing(bench)


@pytest.mark.parametrize("cost", [60, 95])
async def test_a_limit_that_comes_after_the_correction_knows_of_it(bench: Bench, cost: int) -> None:
    ended = await assumed(bench, budget(1000))
    await bench.ledger.correct(ended, 80, cost)
    await bench.admit(bench.postings(budget(1000), budget(1000, ACCOUNT)), 10)
    assert await bench.counted() == await bench.counted(ACCOUNT) == (cost, 10, 2)
    await the_audit_finds_nothing(bench)
