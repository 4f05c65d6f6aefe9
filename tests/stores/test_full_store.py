"""A store that is full: nothing new is admitted, and everything that has begun can be recorded to its end."""

from collections.abc import AsyncIterator

import pytest
from ledger.bench import NOON_US, SCRIPTS, Bench, budget, nothing_changes, rate, reached
from redis.asyncio import Redis

from gateway.domain.reservation import How, State
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.store import LedgerUnavailable
from gateway.ledger.trimming import Trimmer
from stores.servers import ENGINES, Yard


@pytest.fixture(params=ENGINES)
async def bench(request: pytest.FixtureRequest, ground: Yard) -> AsyncIterator[Bench]:
    server = ground.server(request.param)
    store = await reached(server.url)
    async with Redis.from_url(server.url) as redis:
        bench = Bench(redis, store)
        await bench.at(NOON_US)
        yield bench
    await store.aclose()
    server.close()


async def test_a_full_store_admits_nothing_and_records_every_end(bench: Bench) -> None:
    postings = bench.postings(budget(1000), rate(60, 100))
    ran, lost, refused, unproved, late = [(await bench.admit(postings)).id for _ in range(5)]
    await bench.ledger.confirm(late, "p-late", 5)
    await bench.ledger.settle(late, 10, How.ASSUMED, "success")
    await bench.advance(60)
    await bench.redis.config_set("maxmemory", 1)

    with pytest.raises(LedgerUnavailable, match="maxmemory"):
        await nothing_changes(bench, bench.reserve(postings))
    with pytest.raises(LedgerUnavailable, match="maxmemory"):
        await bench.views.probe()
    due = await bench.ledger.claim(9, 1, 8, 60)
    assert {each.id for each in due} == {ran, lost, refused, unproved}
    assert await bench.ledger.confirm(ran, "p-ran", 5, (200, b"{}")) is State.RUNNING
    await bench.ledger.finish(ran, "success", 2)
    settled = await bench.ledger.settle(ran, 7, How.EXACT, "success")
    assert settled is not None
    assert settled.first
    await bench.ledger.doubt(lost, "no answer", 5)
    assert await bench.ledger.absent(lost) > 0
    await bench.ledger.release(lost, sent=True, reason="absent upstream")
    await bench.ledger.release(refused, sent=False, reason="refused")
    await bench.ledger.release("never-reserved", sent=False, reason="the reserve was not answered")
    await bench.ledger.doubt(unproved, "no answer", 5)
    assert await bench.ledger.correct(await bench.record(late), 10, 30)

    assert await bench.counted() == (7 + 30, 10, 3)
    await bench.redis.config_set("maxmemory", 0)
    assert (await bench.admit(postings)).state is State.HELD


async def test_a_full_store_is_trimmed_without_a_restart(bench: Bench) -> None:
    for _ in range(3):
        await bench.settled(bench.postings(budget(1000)), 5)
    await bench.redis.config_set("maxmemory", 1)
    assert await Checkpoint(bench.store, SCRIPTS, bench.account).acknowledge(9) == 9
    trimmed = await Trimmer(bench.store, SCRIPTS, bench.account).drop_exported()
    assert (trimmed.dropped, trimmed.faults) == (9, [])
