"""A journal that is trimmed loses nothing: counters, new limits, corrections, usage and audits are what they were."""

import asyncio
from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.limit import Limit
from gateway.domain.reservation import How, State
from gateway.domain.window import MonthFrom, Rolling, WindowName
from gateway.ledger.audit import Auditor, Report
from gateway.ledger.checkpoint import KEPT_US, STEP, Checkpoint
from gateway.ledger.journal import JournalGap, read_journal
from gateway.ledger.spending import Group, Sum, read_spending
from gateway.ledger.trimming import Trimmer
from gateway.ledger.upkeep import CHORES_US, Upkeep
from ledger.bench import ACCOUNT, KEY, PARENT, SCRIPTS, SECOND, TENANT, Bench, budget, count, nothing_changes

DAY = 86_400
LIMITS = (budget(10**6), budget(10**6, ACCOUNT, WindowName.MONTH))
#: What a policy may have tomorrow: every window, in zones whose days begin at odd times.
NEW: tuple[Limit, ...] = tuple(
    budget(10**6, scope, window, zone=ZoneInfo(zone))
    for scope, zone in ((TENANT, "Asia/Kathmandu"), (PARENT, "America/St_Johns"), (KEY, "UTC"))
    for window in (*WindowName, MonthFrom(9), Rolling(1440), Rolling(90), Rolling(30 * 1440))
)


def trimmer(bench: Bench) -> Trimmer:
    return Trimmer(bench.store, SCRIPTS, bench.account)


def checkpoint(bench: Bench) -> Checkpoint:
    return Checkpoint(bench.store, SCRIPTS, bench.account)


async def verified(bench: Bench) -> Report:
    report = await Auditor(bench.store, SCRIPTS, bench.account).verify()
    assert report.faults == []
    return report


async def spending(bench: Bench) -> dict[Group, Sum]:
    return await read_spending(bench.store, SCRIPTS, bench.account)


async def sequences(bench: Bench) -> list[int]:
    return [entry["seq"] for entry in await bench.journal()]


async def a_month(bench: Bench, *limits: Limit) -> list[str]:
    """Spend something on forty days; gives two of the next that are still live: one running, one in doubt."""
    postings = bench.postings(*limits)
    for day in range(40):
        await bench.settled(postings, 3 + day, hold=50)
        released = await bench.admit(postings, 7)
        await bench.ledger.release(released.id, sent=True, reason="400")
        await bench.advance(DAY)
    running, doubt = await bench.admit(postings, 20), await bench.admit(postings, 30)
    await bench.ledger.confirm(running.id, "p-running", 5)
    await bench.ledger.doubt(doubt.id, "no answer", 5)
    return [running.id, doubt.id]


async def everything_dropped(bench: Bench) -> None:
    await checkpoint(bench).acknowledge(int(await bench.redis.get(f"{bench.ledger.prefix}:seq")))
    trimmed = await trimmer(bench).drop_exported()
    assert trimmed.faults == []
    assert await sequences(bench) == []


async def test_new_limits_start_from_what_was_trimmed_in_any_window_of_any_zone(bench: Bench) -> None:
    """Two ledgers live the same life; of one the whole journal is gone."""
    other = Bench(bench.redis, bench.store, "second")
    await other.at(await bench.now())
    for each in (bench, other):
        await a_month(each)
    await everything_dropped(bench)
    for limits in (NEW, (count(10**6, ACCOUNT, WindowName.YEAR),)):
        uses = [await each.reserve(each.postings(*limits), 1, dry=True) for each in (bench, other)]
        shown = [[(use.used, use.held) for use in decision.uses] for decision in uses]  # type: ignore[union-attr]
        assert shown[0] == shown[1]
        assert sum(map(sum, shown[0])) > 0
    await verified(bench)


async def test_what_was_live_at_a_trim_ends_after_it_as_ever(bench: Bench) -> None:
    running, doubt = await a_month(bench, *LIMITS)
    before = await bench.counted()
    await everything_dropped(bench)
    assert (await verified(bench)).live == 2
    await bench.ledger.settle(running, 25, How.EXACT, "success")
    await bench.ledger.release(doubt, sent=True, reason="absent")
    assert await bench.counted() == (before.charged + 25, before.held - 50, before.predictions - 1)
    report = await verified(bench)
    assert (report.live, report.entries, report.dropped) == (0, report.dropped + 2, report.dropped)
    await everything_dropped(bench)
    assert (await verified(bench)).live == 0


async def test_a_correction_after_a_trim_is_posted_as_ever(bench: Bench) -> None:
    postings = bench.postings(*LIMITS)
    ended = []
    for cost in (60, 95):
        held = await bench.admit(postings, 100)
        await bench.ledger.confirm(held.id, f"p{cost}", 5)
        await bench.ledger.settle(held.id, 80, How.ASSUMED, "success")
        ended.append((await bench.record(held.id), cost))
    await everything_dropped(bench)
    await bench.advance(DAY)
    for record, cost in ended:
        assert await bench.ledger.correct(record, 80, cost)
    assert await bench.counted(window=WindowName.DAY) == (15, 0, 0)
    assert (await bench.counted(ACCOUNT, WindowName.MONTH)).charged == 155
    await verified(bench)
    await everything_dropped(bench)
    await verified(bench)
    await bench.prime(bench.postings(budget(10**6, PARENT, WindowName.TOTAL)))
    assert await bench.counted(PARENT, WindowName.TOTAL) == (155, 0, 2)


async def test_usage_has_what_was_trimmed(bench: Bench) -> None:
    await a_month(bench, *LIMITS)
    told = await spending(bench)
    assert len(told) == 41
    assert sum(found.charged for found in told.values()) == sum(range(3, 43))
    await checkpoint(bench).acknowledge(100)
    await trimmer(bench).drop_exported()
    assert await spending(bench) == told
    await everything_dropped(bench)
    assert await spending(bench) == told
    await bench.settled(bench.postings(), 9)
    today = max(await spending(bench))
    assert (today.day, (await spending(bench))[today]) == (date(2050, 4, 24), Sum(3, 9, 50))


async def test_only_what_was_exported_is_dropped(bench: Bench) -> None:
    await a_month(bench, *LIMITS)
    whole = await sequences(bench)
    assert (await trimmer(bench).drop_exported()).dropped == 0
    await checkpoint(bench).acknowledge(57)
    trimmed = await trimmer(bench).drop_exported()
    assert (trimmed.dropped, trimmed.position.floor) == (57, 57)
    assert await sequences(bench) == whole[57:]
    again = await nothing_changes(bench, trimmer(bench).drop_exported())
    assert again.dropped == 0


async def test_more_than_the_journal_has_was_never_exported(bench: Bench) -> None:
    await bench.settled(bench.postings(), 5)
    with pytest.raises(ValueError, match="ends at 3; 4 was never in it"):
        await nothing_changes(bench, checkpoint(bench).acknowledge(4))
    assert [await checkpoint(bench).acknowledge(upto) for upto in (2, 1, 3, 0)] == [2, 2, 3, 3]


async def test_what_is_past_a_retention_is_dropped_to_the_microsecond(bench: Bench) -> None:
    for _ in range(3):
        await bench.settled(bench.postings(), 5)
        await bench.advance(10)
    await bench.advance(DAY - 20)
    assert (await trimmer(bench).drop_old(DAY * SECOND)).dropped == 6
    assert (await trimmer(bench).drop_old(DAY * SECOND - 1)).dropped == 0
    assert (await trimmer(bench).drop_old((DAY - 10) * SECOND)).dropped == 3


async def test_a_trim_is_done_in_small_steps(bench: Bench) -> None:
    for _ in range(STEP):
        held = await bench.admit(bench.postings(), 1)
        await bench.ledger.release(held.id, sent=False, reason="never sent")
    await checkpoint(bench).roll()
    request = {"upto": 10**6, "exported": False, "older_us": 0, "most": STEP}
    reply = await bench.store.run(SCRIPTS["trim"], bench.ledger.prefix, request)
    assert reply[2:] == [STEP, STEP]
    assert (await sequences(bench))[0] == STEP + 1
    await verified(bench)


async def test_nothing_is_dropped_where_the_ledger_is_wrong(bench: Bench) -> None:
    await bench.settled(bench.postings(*LIMITS), 5)
    (name,) = await bench.redis.keys("{up}:c:tenant/t|day|*")
    await bench.redis.hincrby(name, "c", 1)
    await checkpoint(bench).acknowledge(3)
    for trimmed in (await trimmer(bench).drop_exported(), await trimmer(bench).drop_old(0)):
        assert (trimmed.dropped, len(trimmed.faults)) == (0, 1)
    assert await sequences(bench) == [1, 2, 3]


async def test_what_the_checkpoint_was_not_verified_for_stays(bench: Bench) -> None:
    await bench.settled(bench.postings(), 5)
    await checkpoint(bench).roll()
    request = {"upto": 2, "exported": False, "older_us": 0, "most": STEP}
    assert (await bench.store.run(SCRIPTS["trim"], bench.ledger.prefix, request))[2:] == [2, 2]
    await bench.settled(bench.postings(), 6)
    assert (await bench.store.run(SCRIPTS["trim"], bench.ledger.prefix, request | {"upto": 6}))[2:] == [1, 3]


async def test_a_rebuild_after_a_trim_takes_what_is_gone_from_the_checkpoint(bench: Bench) -> None:
    await a_month(bench, *LIMITS)
    await checkpoint(bench).acknowledge(150)
    await trimmer(bench).drop_exported()
    counted = await bench.counted(), await bench.counted(ACCOUNT, WindowName.MONTH)
    for name in await bench.redis.keys("{up}:c:*"):
        await bench.redis.hset(name, "c", 1)
    report = await Auditor(bench.store, SCRIPTS, bench.account).rebuild()
    assert report.faults == []
    assert (await bench.counted(), await bench.counted(ACCOUNT, WindowName.MONTH)) == counted
    await verified(bench)


async def test_sums_that_no_window_needs_any_more_are_pruned_and_every_window_is_right(bench: Bench) -> None:
    await a_month(bench)
    await everything_dropped(bench)
    before = await bench.reserve(bench.postings(*NEW), 1, dry=True)
    await bench.redis.delete(*await bench.redis.keys("{up}:c:*"))
    now = await bench.now()
    await checkpoint(bench).prune(now)
    cells = [cell.decode() for cell in await bench.redis.hkeys(f"{{up}}:sum:{TENANT}")]
    assert {cell[0] for cell in cells} == {"s", "m", "q", "d", "a"}
    for letter, (_, kept_us) in KEPT_US.items():
        oldest = min(int(cell[1:]) for cell in cells if cell[0] == letter)
        assert oldest * SECOND >= now - kept_us - 3600 * SECOND
    assert await bench.reserve(bench.postings(*NEW), 1, dry=True) == before
    assert await nothing_changes(bench, checkpoint(bench).prune(now)) is None


async def test_a_verification_and_trims_at_the_same_time_do_not_disturb_each_other(bench: Bench) -> None:
    for _ in range(3 * STEP):
        held = await bench.admit(bench.postings(*LIMITS), 1)
        await bench.ledger.release(held.id, sent=False, reason="never sent")

    async def trims() -> Sequence[int]:
        dropped = []
        for upto in range(60, 6 * STEP, 60):
            await checkpoint(bench).acknowledge(upto)
            dropped.append((await trimmer(bench).drop_exported()).dropped)
        return dropped

    reports = await asyncio.gather(*(verified(bench) for _ in range(3)), trims())
    assert sum(reports[-1]) == 6 * STEP - 60  # type: ignore[arg-type]


async def test_a_reader_that_a_trim_overtook_is_told(bench: Bench) -> None:
    await bench.settled(bench.postings(), 5)
    await everything_dropped(bench)
    await bench.settled(bench.postings(), 6)
    with pytest.raises(JournalGap, match="no entry 2 to 3"):
        [entry async for entry in read_journal(bench.store, bench.account, 1)]
    assert [entry.sequence async for entry in read_journal(bench.store, bench.account)] == [4, 5, 6]


async def test_a_reservation_that_begins_again_or_ends_twice_is_found(bench: Bench) -> None:
    held = await bench.settled(bench.postings(), 5)
    await bench.admit(bench.postings())
    (_, first), *_, (_, last), _ = await bench.redis.xrange("{up}:journal")
    await bench.redis.xadd("{up}:journal", first, id="5-0")
    await bench.redis.xadd("{up}:journal", last, id="6-0")
    await bench.redis.set("{up}:seq", 6)
    faults = (await Auditor(bench.store, SCRIPTS, bench.account).verify()).faults
    assert f"entry 5: {held.id} begins twice" in faults
    assert f"entry 6: {held.id} is held, and has no way to settle" in faults


async def test_workers_drop_what_is_past_the_retention_once_in_a_while(bench: Bench) -> None:
    forever, month = (Upkeep(bench.store, SCRIPTS, bench.account, days) for days in (None, 30))
    await bench.settled(bench.postings(), 5)
    await bench.advance(30 * DAY)
    await forever.chores()
    assert len(await sequences(bench)) == 3
    await bench.advance(CHORES_US / SECOND - 1)
    await nothing_changes(bench, month.chores())
    await bench.advance(1)
    await checkpoint(bench).roll()
    await month.chores()
    assert await sequences(bench) == []
    assert (await bench.record("r1")).state is State.SETTLED
