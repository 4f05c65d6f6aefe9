"""Claims: who looks at a reservation next, and when it is due again."""

import asyncio

from gateway.domain.reservation import How, State
from gateway.ledger.ledger import Ledger
from ledger.bench import SCRIPTS, Bench, nothing_changes


async def claimed(bench: Bench, most: int = 10) -> list[str]:
    return [each.id for each in await bench.ledger.claim(most, 1, 8, 60)]


async def pauses(bench: Bench, times: int) -> list[int]:
    """Give the whole seconds between one claim and the next."""
    found = []
    for _ in range(times):
        seconds = 0
        while not await claimed(bench):
            await bench.advance(1)
            seconds += 1
        found.append(seconds)
    return found


async def test_a_create_is_due_when_its_worker_must_have_died(bench: Bench) -> None:
    held = await bench.admit(bench.postings(), stale_s=45)
    await bench.advance(44.999999)
    assert await nothing_changes(bench, claimed(bench)) == []
    await bench.advance(0.000001)
    (found,) = await bench.ledger.claim(10, 1, 8, 60)
    assert (found.id, found.state, found.upstream_key, found.hold) == (held.id, State.HELD, "main", 10)


async def test_a_confirmed_create_is_due_when_its_model_usually_ends_and_then_ever_later(bench: Bench) -> None:
    held = await bench.admit(bench.postings())
    await bench.ledger.confirm(held.id, "p", 6)
    assert await pauses(bench, 7) == [6, 1, 2, 4, 8, 8, 8]


async def test_a_doubt_backs_off_to_its_own_longest_pause_and_starts_anew_when_it_is_found(bench: Bench) -> None:
    held = await bench.admit(bench.postings())
    await bench.ledger.doubt(held.id, "no answer", 5)
    assert await pauses(bench, 9) == [5, 1, 2, 4, 8, 16, 32, 60, 60]
    await bench.ledger.confirm(held.id, "p", 0)
    assert await pauses(bench, 4) == [0, 1, 2, 4]


async def test_an_ended_prediction_is_due_again_for_its_cost(bench: Bench) -> None:
    held = await bench.admit(bench.postings())
    await bench.ledger.confirm(held.id, "p", 60)
    await bench.ledger.finish(held.id, "success", 2)
    assert await pauses(bench, 2) == [2, 1]


async def test_what_has_ended_is_due_no_more(bench: Bench) -> None:
    settled, released = [await bench.admit(bench.postings()) for _ in range(2)]
    await bench.ledger.confirm(settled.id, "p", 5)
    await bench.ledger.settle(settled.id, 5, How.EXACT, "success")
    await bench.ledger.release(released.id, sent=False, reason="not sent")
    await bench.advance(10**6)
    assert await nothing_changes(bench, claimed(bench)) == []


async def test_the_longest_due_come_first_and_no_more_than_were_asked_for(bench: Bench) -> None:
    ids = [(await bench.admit(bench.postings(), stale_s=60 - n)).id for n in range(5)]
    await bench.advance(60)
    assert await claimed(bench, 2) == [ids[4], ids[3]]
    assert await claimed(bench, 9) == [ids[2], ids[1], ids[0]]


async def test_claimers_at_the_same_time_share_what_is_due_and_none_is_taken_twice(bench: Bench) -> None:
    ids = [(await bench.admit(bench.postings())).id for _ in range(40)]
    await bench.advance(60)
    workers = [Ledger(bench.store, SCRIPTS, "up") for _ in range(4)]
    batches = await asyncio.gather(*(worker.claim(7, 1, 8, 60) for worker in workers * 3))
    taken = [each.id for batch in batches for each in batch]
    assert sorted(taken) == sorted(ids)
    await bench.advance(0.999999)
    assert await claimed(bench, 100) == []
    await bench.advance(0.000001)
    assert sorted(await claimed(bench, 100)) == sorted(ids)


async def test_a_claim_writes_no_journal_and_moves_no_money(bench: Bench) -> None:
    held = await bench.admit(bench.postings())
    await bench.advance(60)
    before = await bench.dump()
    await claimed(bench)
    after = await bench.dump()
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"{up}:due", f"{{up}}:r:{held.id}"}


async def test_the_first_complete_list_without_a_doubt_is_remembered(bench: Bench) -> None:
    held = await bench.admit(bench.postings())
    await bench.ledger.doubt(held.id, "no answer", 5)
    first = await bench.ledger.absent(held.id)
    assert first == await bench.now()
    await bench.advance(61)
    assert await nothing_changes(bench, bench.ledger.absent(held.id)) == first


async def test_a_list_that_may_show_a_doubt_makes_its_absence_begin_anew(bench: Bench) -> None:
    held = await bench.admit(bench.postings())
    await bench.ledger.doubt(held.id, "no answer", 5)
    await bench.ledger.absent(held.id)
    await bench.advance(61)
    await bench.ledger.absent(held.id, seen=True)
    await nothing_changes(bench, bench.ledger.absent(held.id, seen=True))
    await bench.advance(5)
    assert await bench.ledger.absent(held.id) == await bench.now()


async def test_what_is_due_without_a_record_is_dropped(bench: Bench) -> None:
    held = await bench.admit(bench.postings())
    await bench.redis.zadd("{up}:due", {"stranger": 1})
    await bench.advance(60)
    assert await claimed(bench) == [held.id]
    assert await bench.redis.zscore("{up}:due", "stranger") is None


async def test_what_is_no_doubt_is_never_absent(bench: Bench) -> None:
    held = await bench.admit(bench.postings())
    await bench.ledger.confirm(held.id, "p", 5)
    await bench.advance(600)
    for each in (held.id, "stranger"):
        assert await nothing_changes(bench, bench.ledger.absent(each)) == await bench.now()
