"""What was billed of each price, as the journal tells it."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from gateway.domain.reservation import How
from gateway.ledger.billing import Price, read_billed
from gateway.ledger.journal import read_journal
from gateway.pricing.explaining import Billed
from ledger.bench import NOON_US, SECOND, Bench

DAY = datetime.fromtimestamp(NOON_US // SECOND, UTC).date()
M1, M2 = Price("m", "v1"), Price("m", "v2")


async def billed(bench: Bench, **span: object) -> dict[Price, Counter[Billed]]:
    return await read_billed(read_journal(bench.store, bench.account), **span)


async def spend(bench: Bench, cost: int, how: How = How.EXACT, **more: object) -> str:
    held = await bench.admit(bench.postings(), 10, **more)
    await bench.ledger.confirm(held.id, f"p-{held.id}", 5)
    await bench.ledger.settle(held.id, cost, how, "success")
    return held.id


async def test_costs_are_counted_by_price_and_by_what_decided_them(bench: Bench) -> None:
    for cost, facts in ((10, ""), (10, ""), (12, ""), (10, '{"a":1}')):
        await spend(bench, cost, facts=facts)
    await spend(bench, 7, price_version="v2", estimate=5)
    assert await billed(bench) == {
        M1: Counter({Billed("", 10, 10, 10): 2, Billed("", 10, 10, 12): 1, Billed('{"a":1}', 10, 10, 10): 1}),
        M2: Counter({Billed("", 5, 10, 7): 1}),
    }


async def test_facts_are_kept_once_as_long_as_there_are_few_of_them(bench: Bench) -> None:
    for facts in ('{"a":1}', '{"a":1}', '{"b":1}'):
        await spend(bench, 10, facts=facts)
    begun = [entry["facts"] for entry in await bench.journal() if entry["event"] == "reserve"]
    assert begun == ["#1", "#1", "#2"]
    await bench.redis.hset("{up}:facts", mapping={f"filler {n}": n for n in range(3, 10_001)})
    await spend(bench, 10, facts='{"one":"too many"}')
    await spend(bench, 10, facts='{"b":1}')
    begun = [entry["facts"] for entry in await bench.journal() if entry["event"] == "reserve"]
    assert begun[3:] == ['{"one":"too many"}', "#2"]
    counted = {each.facts: count for each, count in (await billed(bench))[M1].items()}
    assert counted == {'{"a":1}': 2, '{"b":1}': 2, '{"one":"too many"}': 1}


async def test_what_upstream_stated_no_cost_of_tells_nothing(bench: Bench) -> None:
    await spend(bench, 0)
    await spend(bench, 10, How.ASSUMED)
    await spend(bench, 9, price_version="")
    released = await bench.admit(bench.postings())
    await bench.ledger.release(released.id, sent=False, reason="never sent")
    await bench.admit(bench.postings())
    assert await billed(bench) == {}


async def test_a_cost_that_came_late_counts_once(bench: Bench) -> None:
    late = await spend(bench, 10, How.ASSUMED)
    await bench.ledger.correct(await bench.record(late), 10, 8)
    assert await billed(bench) == {M1: Counter({Billed("", 10, 10, 8): 1})}


async def test_days_are_those_of_the_admission(bench: Bench) -> None:
    held = await bench.admit(bench.postings())
    await bench.ledger.confirm(held.id, "p", 5)
    await bench.advance(86400)
    await bench.ledger.settle(held.id, 11, How.EXACT, "success")
    tomorrow = DAY + timedelta(days=1)
    assert (await billed(bench, since=DAY, until=DAY))[M1].total() == 1
    assert await billed(bench, since=tomorrow) == {}
    assert await billed(bench, until=DAY - timedelta(days=1)) == {}
