"""A Cluster while its slots move: what is refused is refused whole, and nothing is lost or counted twice."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Iterator

import pytest
from ledger.bench import NOON_US, SCRIPTS, Bench, budget, reached
from ledger.test_journal import World
from redis.asyncio import Redis

from gateway.domain.reservation import How
from gateway.ledger.audit import Auditor
from gateway.ledger.decisions import Admitted
from gateway.ledger.durability import durability_problems
from gateway.ledger.store import LedgerUnavailable
from stores.servers import ENGINES, Cluster, Server, Yard

STEPS = 40


@pytest.fixture(scope="module", params=ENGINES)
def cluster(request: pytest.FixtureRequest, ground: Yard) -> Iterator[Cluster]:
    yield ground.cluster(request.param)


@pytest.fixture
async def bench(cluster: Cluster) -> AsyncIterator[Bench]:
    """The ledger of the account `up`, empty."""
    for node in cluster.nodes:
        node.redis.flushall()
    store = await reached(cluster.url)
    async with Redis.from_url(cluster.owner("up").url) as redis:
        bench = Bench(redis, store)
        await bench.at(NOON_US)
        yield bench
    await store.aclose()


def another(cluster: Cluster) -> str:
    """Name an account whose keys are on another node than those of `up`."""
    return next(name for name in map(str, range(99)) if cluster.owner(name) is not cluster.owner("up"))


async def lives(world: World, steps: int) -> int:
    """Take steps of a random life, and count those that were refused; each must have changed nothing."""
    refused = 0
    for _ in range(steps):
        refused += await is_refused(world.step())
    return refused


async def is_refused(act: Awaitable[None]) -> bool:
    try:
        await act
    except LedgerUnavailable:
        return True
    return False


async def goes_on(world: World) -> None:
    """Take a step; one that comes too late for a busy machine is taken again."""
    give_up = time.monotonic() + 10
    while await is_refused(world.step()):
        assert time.monotonic() < give_up, "it is refused again and again"


async def whole(world: World) -> None:
    """The model and the gateway's own auditor find the ledger right."""
    await world.check()
    await world.check_audit()


async def test_accounts_are_spread_over_the_nodes_and_each_lives_on_its_own(cluster: Cluster, bench: Bench) -> None:
    other = Bench(bench.redis, bench.store, another(cluster))
    await other.at(NOON_US)
    worlds = [World(each, random.Random(3)) for each in (bench, other)]
    assert [await lives(world, STEPS) for world in worlds] == [0, 0]
    for world in worlds:
        await whole(world)


async def test_while_a_slot_moves_its_account_is_refused_whole_and_goes_on_afterwards(
    cluster: Cluster, bench: Bench
) -> None:
    other = Bench(bench.redis, bench.store, another(cluster))
    await other.at(NOON_US)
    world, elsewhere = World(bench, random.Random(5)), World(other, random.Random(5))
    await lives(world, 4 * STEPS)
    target = cluster.owner(other.account)
    migration = cluster.migrate("up", target)
    parts = 0
    for _ in migration:  # after the announcement, and after each part of the keys
        assert await is_refused(world.create())
        assert await is_refused(world.event())
        await goes_on(elsewhere)
        parts += 1
    assert (parts, cluster.owner("up")) == (5, target)
    assert await lives(world, STEPS) == 0
    await whole(world)
    await whole(elsewhere)


async def test_an_end_that_is_repeated_until_the_slot_has_moved_is_recorded_once(
    cluster: Cluster, bench: Bench
) -> None:
    postings = bench.postings(budget(1000))
    held = [await bench.admit(postings) for _ in range(6)]
    migration = cluster.migrate("up", next(node for node in cluster.nodes if node is not cluster.owner("up")))
    next(migration)
    results = [asyncio.ensure_future(ended(bench, each.id)) for each in held]
    for _ in migration:
        await asyncio.sleep(0.02)
    assert all(await asyncio.gather(*results))
    assert await bench.counted() == (6 * 7, 0, 6)
    assert (await Auditor(bench.store, SCRIPTS, "up").verify()).faults == []


async def ended(bench: Bench, reservation: str) -> bool:
    """Confirm and settle, each again until the ledger has it."""
    for act in (
        lambda: bench.ledger.confirm(reservation, f"p-{reservation}", 5),
        lambda: bench.ledger.settle(reservation, 7, How.EXACT, "success"),
    ):
        while True:
            try:
                done = await act()
                break
            except LedgerUnavailable:
                await asyncio.sleep(0.02)
    return done is not None


async def test_a_node_that_hangs_is_given_up_in_time_and_its_late_reply_is_nobody_elses(
    cluster: Cluster, bench: Bench
) -> None:
    postings, order = bench.postings(budget(1000)), bench.order()
    await bench.prime(postings)
    with cluster.owner("up").standing_still(), pytest.raises(LedgerUnavailable):
        await bench.ledger.reserve(order, postings, [("main", 9, 9)])
    await bench.ledger.release(order.id, sent=False, reason="the reserve was not answered")
    decisions = await asyncio.gather(*(bench.reserve(postings) for _ in range(20)))
    assert all(isinstance(decision, Admitted) for decision in decisions)
    assert await bench.counted() == (0, 200, 20)


async def test_one_node_that_may_forget_is_told_whichever_it_is(cluster: Cluster, bench: Bench) -> None:
    assert await durability_problems(bench.store) == []
    for node in cluster.nodes:
        assert await problems_while_lossy(node, bench) == ["appendfsync is everysec, and must be always"]


async def problems_while_lossy(node: Server, bench: Bench) -> list[str]:
    node.redis.config_set("appendfsync", "everysec")
    try:
        return await durability_problems(bench.store)
    finally:
        node.redis.config_set("appendfsync", "always")


@pytest.mark.parametrize("cluster", ["valkey"], indirect=True)
async def test_an_atomic_migration_of_valkey_loses_and_doubles_nothing(cluster: Cluster, bench: Bench) -> None:
    world = World(bench, random.Random(8))
    await lives(world, 2 * STEPS)
    target = next(node for node in cluster.nodes if node is not cluster.owner("up"))
    cluster.migrate_at_once("up", target)
    while any(cluster.owner("up", node) is not target for node in cluster.nodes):
        await lives(world, 1)
    assert await lives(world, STEPS) == 0
    await whole(world)
