"""A group with Sentinels: the primary dies, another takes over, and the ledger follows without a restart."""

import asyncio

import pytest
from ledger.bench import NOON_US, Bench, budget, reached

from gateway.ledger.decisions import Admitted, Closed, Decision
from gateway.ledger.postings import Postings
from gateway.ledger.store import LedgerUnavailable, connect
from stores.servers import ENGINES, Yard


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_failover_is_followed_though_of_three_sentinels_one_is_dead_and_one_stands_still(
    ground: Yard, engine: str
) -> None:
    primary, replica = ground.server(engine), ground.server(engine)
    replica.follow(primary)
    group = ground.sentinels(primary, replica, engine)
    store = await reached(group.url)
    bench = Bench(replica.redis, store)
    await bench.at(NOON_US)
    postings = bench.postings(budget(1000))
    for _ in range(5):
        await bench.admit(postings)
    replica.caught_up(primary)
    primary.kill()
    assert isinstance(await once_up(bench, postings), Closed)  # until it is known that nothing was lost
    assert group.primary_port() == replica.port
    presence = await bench.ledger.attend()
    assert await bench.ledger.reopen(presence.epoch, "test", "nothing was")
    assert isinstance(await bench.reserve(postings), Admitted)
    assert await bench.counted() == (0, 60, 6)
    await store.aclose()
    group.servers[0].kill()
    with group.servers[1].standing_still():
        store = connect(group.url)
        assert isinstance(await Bench(replica.redis, store).reserve(postings, id="another"), Admitted)
        await store.aclose()


async def once_up(bench: Bench, postings: Postings) -> Decision:
    """Reserve as soon as the store can."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await bench.reserve(postings)
            except LedgerUnavailable:
                await asyncio.sleep(0.05)
