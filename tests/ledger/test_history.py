"""The history: what the journal tells of reservations is what their records say."""

import pytest

from gateway.domain.reservation import How, Reservation, State
from gateway.ledger.history import HistoryTrimmed, read_history
from gateway.ledger.trimming import Trimmer
from ledger.bench import NOON_US, SCRIPTS, SECOND, Bench

DAY = (NOON_US, NOON_US + 86400 * SECOND)


async def history(bench: Bench, from_us: int = DAY[0], until_us: int = DAY[1]) -> dict[str, Reservation]:
    return await read_history(bench.store, bench.account, from_us, until_us)


async def test_every_life_is_told_as_the_record_has_it(bench: Bench) -> None:
    postings, ledger = bench.postings(), bench.ledger
    for name in ("held", "running", "settled", "failed", "doubted", "released", "ran", "late"):
        await bench.admit(postings, id=name)
    for name in ("running", "settled", "failed", "late"):
        await ledger.confirm(name, f"p-{name}", 5)
    await bench.advance(1)
    await ledger.settle("settled", 12, How.EXACT, "success")
    await ledger.settle("failed", 0, How.EXACT, "error")
    await ledger.finish("late", "success", 5)
    await ledger.settle("late", 10, How.ASSUMED, "success")
    await ledger.correct(await bench.record("late"), 10, 7)
    await ledger.doubt("doubted", "cut", 5)
    await ledger.release("released", sent=True, reason="400")
    await ledger.release("ran", sent=True, reason="absent")
    await ledger.correct(await bench.record("ran"), 0, 4)
    told = await history(bench)
    assert [each.state for each in told.values()].count(State.SETTLED) == 3
    assert (told["ran"].state, told["ran"].how, told["ran"].cost) == (State.RELEASED, How.LATE, 4)
    assert (told["late"].how, told["late"].cost, told["settled"].how) == (How.LATE, 7, How.OVERRUN)
    for id_, found in told.items():
        record = await bench.record(id_)
        for field in ("state", "tenant", "key", "model", "price_version", "estimate", "hold", "admitted_us"):
            assert getattr(found, field) == getattr(record, field), (id_, field)
        for field in ("cost", "how", "prediction", "ended_us"):
            assert getattr(found, field) == getattr(record, field), (id_, field)


async def test_a_span_has_what_was_admitted_in_it_whenever_it_ended(bench: Bench) -> None:
    for name in ("before", "inside", "after"):
        await bench.admit(bench.postings(), id=name)
        await bench.advance(10)
    await bench.ledger.confirm("inside", "p", 5)
    await bench.ledger.settle("inside", 3, How.EXACT, "success")
    told = await history(bench, NOON_US + 10 * SECOND, NOON_US + 20 * SECOND)
    assert [(id_, found.cost) for id_, found in told.items()] == [("inside", 3)]


async def test_a_journal_whose_beginning_is_gone_is_no_history_of_what_came_before(bench: Bench) -> None:
    for name in ("gone", "first", "second"):
        await bench.admit(bench.postings(), id=name)
        await bench.advance(10)
    await bench.redis.xdel("{up}:journal", "1-0")
    with pytest.raises(HistoryTrimmed, match="2050-03-15T12:00:10Z"):
        await history(bench)
    assert list(await history(bench, NOON_US + 10 * SECOND)) == ["first", "second"]


async def test_a_journal_that_was_trimmed_to_the_last_entry_is_no_history_of_that(bench: Bench) -> None:
    await bench.settled(bench.postings(), 5)
    await bench.advance(10)
    assert (await Trimmer(bench.store, SCRIPTS, bench.account).drop_old(0)).dropped == 3
    with pytest.raises(HistoryTrimmed, match="2050-03-15T12:00:00Z"):
        await history(bench)
    assert await history(bench, NOON_US + 10 * SECOND) == {}
