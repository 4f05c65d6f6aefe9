"""The checkpoint has every sum of the journal, for any window of any zone, and no step of the store reads more."""

import random
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.reservation import How
from gateway.domain.window import MonthFrom, Window, WindowName, bounds, parse_rolling
from gateway.ledger.audit import Auditor
from gateway.ledger.checkpoint import STEP, TAIL, Checkpoint, composable
from gateway.ledger.fold import Place, place_of
from gateway.ledger.postings import Counter
from gateway.ledger.reading import Reading
from gateway.ledger.requests import LIVE
from gateway.ledger.rows import MOST_CELLS, MOST_COUNTERS, Rows, batches
from gateway.ledger.store import LedgerUnavailable
from ledger.bench import (
    ACCOUNT,
    SCRIPTS,
    SECOND,
    TENANT,
    UTC_ZONE,
    Bench,
    budget,
    concurrency,
    count,
    nothing_changes,
)

WINDOWS: tuple[Window, ...] = (*WindowName, MonthFrom(1), MonthFrom(17), MonthFrom(31))
LENGTHS = ("1m", "7m", "59m", "1h", "61m", "90m", "24h", "7d", "14d", "30d", "45d", "366d")
#: Whole hours, half and quarter hours, a date line, clocks that change by an hour or by half of one.
ZONES = [
    ZoneInfo(name)
    for name in ("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe")
]
DAY_US = 86400 * SECOND


def checkpoint(bench: Bench) -> Checkpoint:
    return Checkpoint(bench.store, SCRIPTS, bench.account)


@pytest.mark.parametrize("seed", range(4))
async def test_a_window_of_any_zone_that_is_open_now_is_the_sum_of_cells(bench: Bench, seed: int) -> None:
    chance, postings = random.Random(seed), bench.postings()
    end = (
        int(datetime(2050, *chance.choice(((4, 3), (10, 31), (1, 1), (3, 1))), 9, 7, tzinfo=UTC).timestamp()) * SECOND
    )
    spans = (60, 3600, 86400, 8 * 86400, 45 * 86400, 400 * 86400)
    times = sorted(end - chance.randrange(chance.choice(spans)) * SECOND for _ in range(60))
    lives: list[tuple[int, int, int]] = []  # admitted, charged, held
    for at in times:
        await bench.at(at)
        held = await bench.admit(postings, 50)
        charged = chance.choice((0, 7, 30, None))
        if charged is not None:
            await bench.ledger.confirm(held.id, f"p-{held.id}", 5)
            await bench.ledger.settle(held.id, charged, How.EXACT, "success")
        lives.append((at, charged or 0, 50 if charged is None else 0))
        if chance.random() < 0.2:
            await checkpoint(bench).roll()
    await bench.at(end)
    await checkpoint(bench).roll()
    await checkpoint(bench).prune(end)
    counters = [Counter(TENANT, window, zone) for window in WINDOWS for zone in ZONES]
    counters += [Counter(TENANT, parse_rolling(length), UTC_ZONE) for length in LENGTHS]
    places = [Place(each, bounds(each.window, each.zone, end).start_us) for each in counters]
    for batch in batches(places):
        _, rows = await Rows(bench.store, SCRIPTS, bench.account).read(batch)
        for place, row in zip(batch, rows, strict=True):
            assert composable(place, end)
            assert list(row.checkpoint) == list(place.window())
            for part in place.window():
                inside = [life for life in lives if part.start_us <= life[0] < part.stop_us]
                right = (sum(life[1] for life in inside), sum(life[2] for life in inside), len(inside))
                assert row.checkpoint[part].counted == right, part


async def test_a_batch_of_counters_is_what_one_step_may_read() -> None:
    minute, year = Counter(TENANT, WindowName.MINUTE, UTC_ZONE), Counter(TENANT, WindowName.YEAR, UTC_ZONE)
    places = [Place(minute, 60 * SECOND * n) for n in range(500)] + [Place(year, n) for n in range(50)]
    cut = list(batches(places))
    assert [place for batch in cut for place in batch] == places
    assert max(map(len, cut)) == MOST_COUNTERS
    assert max(sum(place.counter == year for place in batch) for batch in cut) == MOST_CELLS // 560
    assert list(batches([])) == [[]]


async def test_a_seed_rolls_what_it_would_read_too_much_of(bench: Bench) -> None:
    for _ in range(TAIL // 2 + STEP):  # two entries each
        held = await bench.admit(bench.postings(), 3)
        await bench.ledger.release(held.id, sent=False, reason="never sent")
    await bench.settled(bench.postings(), 5)
    assert await bench.redis.exists("{up}:checkpoint") == 0
    await bench.admit(bench.postings(budget(100)), 1)
    assert await bench.counted() == (5, 1, 2)
    assert (await checkpoint(bench).position()).rolled == len(await bench.journal()) - 1


@pytest.mark.parametrize("apart_s", [0, 0.001])
async def test_a_new_limit_takes_over_more_live_holds_than_one_step_looks_at(bench: Bench, apart_s: float) -> None:
    """With no time between them they are of one microsecond, which a step must take as a whole."""
    plain, ids = bench.postings(concurrency(10**6)), []
    for _ in range(2 * LIVE + 50):
        ids.append((await bench.admit(plain, 3)).id)
        await bench.advance(apart_s)
    limited = bench.postings(budget(10**6), count(10**6, ACCOUNT))
    await bench.admit(limited, 1)
    assert await bench.counted() == await bench.counted(ACCOUNT) == (0, 3 * len(ids) + 1, len(ids) + 1)
    for id_ in ids:
        await bench.ledger.release(id_, sent=True, reason="400")
    assert await bench.counted() == await bench.counted(ACCOUNT) == (0, 1, 1)
    assert (await Auditor(bench.store, SCRIPTS, bench.account).verify()).faults == []


async def test_a_hold_that_ends_between_two_steps_of_a_seed_leaves_no_trace(bench: Bench) -> None:
    """A seed was given up in the middle: holds know of a counter that is not there, and must not make it."""
    held = await bench.admit(bench.postings(), 7)
    postings = bench.postings(budget(100))
    key = postings.at(await bench.now()).counters[0]["key"]
    await bench.redis.hset(f"{{up}}:r:{held.id}", "counters", key)
    await bench.ledger.release(held.id, sent=True, reason="400")
    assert not await bench.redis.exists(key)


async def test_a_reading_goes_on_over_creates_of_a_policy_that_is_newer_than_itself(bench: Bench) -> None:
    old, new = bench.postings(budget(100)), bench.postings(budget(100), budget(200, window=WindowName.MONTH))
    await bench.admit(old, 7)
    now_us = await bench.now()
    place = place_of(Counter(TENANT, WindowName.DAY, UTC_ZONE), now_us)
    reading = Reading(bench.store, bench.account, [place], await checkpoint(bench).position(), {})
    await reading.advance(1)
    await bench.admit(new, 5)
    await reading.advance(2)
    assert reading.sums.of(place) == (0, 12, 2)


async def test_rolling_again_changes_nothing(bench: Bench) -> None:
    await bench.settled(bench.postings(), 5)
    await checkpoint(bench).roll()
    assert await nothing_changes(bench, checkpoint(bench).roll()) == 3


async def test_a_journal_with_a_gap_is_not_rolled_over_it(bench: Bench) -> None:
    await bench.settled(bench.postings(), 5)
    await checkpoint(bench).roll()
    await bench.settled(bench.postings(), 6)
    await bench.redis.xdel("{up}:journal", "5-0")
    with pytest.raises(LedgerUnavailable, match="no entry 5; run: gateway ledger verify"):
        await nothing_changes(bench, checkpoint(bench).roll())
    report = await Auditor(bench.store, SCRIPTS, bench.account).verify()
    assert report.faults == ["the journal has no entry 5; what is behind it proves nothing"]


@pytest.mark.parametrize("spoilt", ["{up}:sum:tenant/t", "{up}:c:tenant/t|day|UTC|"])
async def test_a_checkpoint_or_counter_that_is_wrong_is_found_and_made_anew(bench: Bench, spoilt: str) -> None:
    await bench.settled(bench.postings(budget(100)), 5)
    await checkpoint(bench).roll()
    assert (await Auditor(bench.store, SCRIPTS, bench.account).verify()).faults == []
    name = min(await bench.redis.keys(f"{spoilt}*"))
    if b":sum:" in name:
        cells = await bench.redis.hgetall(name)
        await bench.redis.hset(name, mapping={cell: b"6" + text[1:] for cell, text in cells.items()})
    else:
        await bench.redis.hincrby(name, "c", 1)
    auditor = Auditor(bench.store, SCRIPTS, bench.account)
    (fault,) = (await auditor.verify()).faults
    assert "tenant/t|day|UTC" in fault
    assert (await auditor.rebuild()).faults == []
    assert (await auditor.verify()).faults == []
    assert await bench.counted() == (5, 0, 1)
