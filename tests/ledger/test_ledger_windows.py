"""Calendar windows: a create counts in the window of its admission, to the microsecond, in its tenant's zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.limit import Mode
from gateway.domain.reservation import How
from gateway.domain.window import MonthFrom, Window, WindowName, bounds
from gateway.ledger.audit import Auditor
from gateway.ledger.decisions import Admitted
from ledger.bench import NOON_US, SCRIPTS, SECOND, UTC_ZONE, WIDE, Bench, budget, count, nothing_changes, violated

DAY_US = 86400 * SECOND
MIDNIGHT = NOON_US + DAY_US // 2
ISTANBUL, KATHMANDU, BERLIN = ZoneInfo("Europe/Istanbul"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("Europe/Berlin")


def instant(zone: ZoneInfo, *when: int) -> int:
    return int(datetime(*when, tzinfo=zone).timestamp()) * SECOND


async def test_a_window_ends_to_the_microsecond(bench: Bench) -> None:
    postings = bench.postings(budget(10))
    await bench.at(MIDNIGHT - SECOND)
    await bench.admit(postings, 10)
    request = await bench.request(bench.order(10), postings, postings.at(MIDNIGHT - 1))
    await bench.at(MIDNIGHT - 1)
    what, _, (check,) = await bench.store.run(SCRIPTS["reserve"], postings.prefix, request)
    assert (what, check) == (b"refused", [1, 0, 10, 1])
    await bench.at(MIDNIGHT)
    assert isinstance(await bench.reserve(postings, 10), Admitted)


async def test_a_window_that_ended_on_the_way_is_refused_by_the_script_and_asked_for_again(bench: Bench) -> None:
    postings, order = bench.postings(budget(10)), bench.order(10)
    await bench.at(MIDNIGHT - SECOND)
    await bench.admit(postings, 10)
    old = await bench.request(order, postings, postings.at(MIDNIGHT - SECOND))
    await bench.at(MIDNIGHT)
    reply = await nothing_changes(bench, bench.store.run(SCRIPTS["reserve"], postings.prefix, old))
    assert reply == [b"window", MIDNIGHT]
    assert isinstance(await bench.ledger.reserve(order, postings, WIDE), Admitted)
    assert await bench.counted() == (0, 10, 1)


async def test_a_window_that_has_not_begun_is_refused_too(bench: Bench) -> None:
    postings = bench.postings(budget(10))
    await bench.prime(postings)
    early = await bench.request(bench.order(10), postings, postings.at(MIDNIGHT))
    reply = await nothing_changes(bench, bench.store.run(SCRIPTS["reserve"], postings.prefix, early))
    assert reply[0] == b"window"


@pytest.mark.parametrize("end", ["settle", "release"])
async def test_an_end_after_the_window_goes_to_the_window_of_the_admission(bench: Bench, end: str) -> None:
    postings = bench.postings(budget(100), count(9))
    held = await bench.admit(postings, 10)
    await bench.at(MIDNIGHT + 5 * SECOND)
    await bench.admit(postings, 3)
    if end == "settle":
        await bench.ledger.confirm(held.id, "p", 5)
        await bench.ledger.settle(held.id, 7, How.EXACT, "success")
    else:
        await bench.ledger.release(held.id, sent=True, reason="absent")
    assert await bench.counted(at=NOON_US) == ((7, 0, 1) if end == "settle" else (0, 0, 0))
    assert await bench.counted() == (0, 3, 1)


async def test_the_counters_of_an_ended_window_outlive_every_doubt(bench: Bench) -> None:
    postings = bench.postings(budget(100), budget(100, window=WindowName.MINUTE))
    await bench.admit(postings, 10)
    expiries = {name: at for name, (_, at) in (await bench.dump()).items() if ":c:" in name}
    lives = sorted(at * 1000 - NOON_US for at in expiries.values())
    assert lives[0] > 7 * DAY_US
    assert lives[1] > 35 * DAY_US


async def test_a_total_never_ends_nor_expires(bench: Bench) -> None:
    postings = bench.postings(budget(10, window=WindowName.TOTAL))
    await bench.admit(postings, 10)
    await bench.at(NOON_US + 3650 * DAY_US)
    assert violated(await bench.reserve(postings, 1)) == ["budget-tenant/t-enforce"]
    assert [at for name, (_, at) in (await bench.dump()).items() if ":c:" in name] == [-1]


@pytest.mark.parametrize(
    ("zone", "window", "last", "first"),
    [
        (ISTANBUL, WindowName.DAY, (2050, 6, 30, 23, 59, 59), (2050, 7, 1, 0, 0, 0)),
        (ISTANBUL, WindowName.MONTH, (2050, 6, 30, 23, 59, 59), (2050, 7, 1, 0, 0, 0)),
        (KATHMANDU, WindowName.HOUR, (2050, 6, 30, 11, 59, 59), (2050, 6, 30, 12, 0, 0)),
        (BERLIN, WindowName.WEEK, (2050, 7, 3, 23, 59, 59), (2050, 7, 4, 0, 0, 0)),
        (BERLIN, MonthFrom(15), (2050, 2, 14, 23, 59, 59), (2050, 2, 15, 0, 0, 0)),
        (BERLIN, MonthFrom(31), (2050, 2, 27, 23, 59, 59), (2050, 2, 28, 0, 0, 0)),
        (BERLIN, WindowName.YEAR, (2050, 12, 31, 23, 59, 59), (2051, 1, 1, 0, 0, 0)),
    ],
)
async def test_a_window_begins_by_the_calendar_of_the_tenant(
    bench: Bench, zone: ZoneInfo, window: Window, last: tuple[int, ...], first: tuple[int, ...]
) -> None:
    postings = bench.postings(budget(10, window=window, zone=zone))
    for moment in (last, first):
        await bench.at(instant(zone, *moment))
        assert isinstance(await bench.reserve(postings, 10), Admitted)
        assert violated(await bench.reserve(postings, 1))


async def test_a_day_of_25_hours_is_one_day(bench: Bench) -> None:
    postings = bench.postings(budget(10, zone=BERLIN))
    start = instant(BERLIN, 2050, 10, 30)
    assert bounds(WindowName.DAY, BERLIN, start) == (start, start + 25 * 3600 * SECOND)
    await bench.at(start)
    await bench.admit(postings, 10)
    await bench.at(start + 25 * 3600 * SECOND - SECOND)
    assert violated(await bench.reserve(postings, 1))
    await bench.at(start + 25 * 3600 * SECOND)
    assert isinstance(await bench.reserve(postings, 10), Admitted)


async def test_months_that_begin_on_different_days_are_counted_apart_and_audited(bench: Bench) -> None:
    plain, other = budget(100, window=WindowName.MONTH), budget(100, window=MonthFrom(31), mode=Mode.SHADOW)
    postings = bench.postings(plain, other)
    await bench.at(instant(UTC_ZONE, 2050, 3, 30, 12))
    await bench.settled(postings, 10)
    await bench.at(instant(UTC_ZONE, 2050, 3, 31, 12))
    assert [use.used for use in (await bench.reserve(postings, 5)).uses] == [10, 0]
    report = await Auditor(bench.store, SCRIPTS, bench.account).verify()
    assert (report.faults, report.counters) == ([], 3)


async def test_the_same_window_in_two_zones_is_counted_apart(bench: Bench) -> None:
    postings = bench.postings(budget(100, zone=ISTANBUL), budget(100, zone=KATHMANDU, mode=Mode.SHADOW))
    assert len(postings.counters) == 2
    await bench.admit(postings, 10)
    assert (await bench.counted(zone=ISTANBUL)).held == (await bench.counted(zone=KATHMANDU)).held == 10


async def test_every_window_of_a_create_rolls_over_by_itself(bench: Bench) -> None:
    postings = bench.postings(budget(20), budget(10, window=WindowName.MINUTE), budget(30, window=WindowName.MONTH))
    await bench.admit(postings, 10)
    assert violated(await bench.reserve(postings, 10)) == ["budget-tenant/t-enforce"]
    await bench.advance(60)
    await bench.admit(postings, 10)
    await bench.advance(86400)
    await bench.admit(postings, 10)
    await bench.advance(86400)
    assert [use.limit.window for use in (await bench.reserve(postings, 10)).uses if use.violated] == [
        WindowName.MONTH
    ]
