"""Upstream's bill of a span, read to its end however long it is."""

import pytest

from gateway.settlement.bill import BillReader, BillUnreadable
from settlement.conftest import BODY, Start, World

HOUR_US = 3600 * 1_000_000
AT_ONCE = (0, 0, 0)


async def spend(world: World, count: int) -> None:
    """Run predictions upstream, a second apart."""
    await world.look()  # a script, from which the worker learns the time
    for _ in range(count):
        answer = await world.http.post("/v1/prediction", content=BODY, headers={"x-api-key": "k1"})
        answer.raise_for_status()
        await world.advance(1)
    await world.look()


async def test_a_bill_has_every_execution_once_in_whatever_pieces_it_is_read(start: Start) -> None:
    world = await start(ahead=30, creates_per_minute=100_000, concurrent=100_000)
    now_us = await world.bench.now()
    await spend(world, 130)
    for span_pages in (50, 2):  # of 100: a span with more than one page of rows is read in halves
        bill = await BillReader(world.lister, span_pages).read(now_us - HOUR_US, now_us + HOUR_US)
        assert sorted(each.id for each in bill.executions) == sorted(await world.executions())
        assert abs(bill.ahead_us - 30_000_000) <= 1_000_000


async def test_a_bill_of_a_month_leaves_out_what_was_before_and_after(world: World) -> None:
    await spend(world, 1)
    await world.advance(20 * 86400)
    from_us = await world.bench.now() - 60_000_000
    await spend(world, 2)
    await world.advance(30 * 86400)
    await spend(world, 1)
    bill = await BillReader(world.lister).read(from_us, from_us + 720 * HOUR_US)
    assert sorted(each.id for each in bill.executions) == sorted((await world.executions())[1:3])


async def test_a_bill_that_is_too_long_is_not_read_in_part(world: World) -> None:
    now_us = await world.bench.now()
    await spend(world, 1)
    with pytest.raises(BillUnreadable, match="name a shorter period"):
        await BillReader(world.lister, most_pages=1).read(now_us - HOUR_US, now_us + HOUR_US)


async def test_a_page_that_fails_is_asked_for_again(world: World) -> None:
    now_us = await world.bench.now()
    await spend(world, 1)
    await world.faults(executions=["ok", "500_before", "garbage", "ok"])
    bill = await BillReader(world.lister, pauses=AT_ONCE).read(now_us - HOUR_US, now_us + HOUR_US)
    assert len(bill.executions) == 1


async def test_a_page_that_goes_on_failing_leaves_no_bill(world: World) -> None:
    now_us = await world.bench.now()
    await world.faults(executions=["ok", "500_before", "401", "cut"])
    with pytest.raises(BillUnreadable, match="cannot be read"):
        await BillReader(world.lister, pauses=AT_ONCE).read(now_us - HOUR_US, now_us + HOUR_US)
