"""The stores of the session, each emptied for each test; their durability is tried in test_embedded alone.

Every test runs on one server. Those of the modules in `ON_CLUSTERS` run on a Cluster of three nodes too; where
redis-server is not installed, its share is skipped.
"""

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from stores.servers import yard

from gateway.ledger.embedded import EmbeddedStore, find_server
from gateway.ledger.store import connect
from ledger.bench import NOON_US, Bench

#: Everything that a script does to keys, on the engine that is always there; on the other one, whether it does it.
ON_CLUSTERS = {
    "valkey": (
        "claims",
        "correction",
        "idempotency",
        "late_and_lost",
        "outbox",
        "pool",
        "queue",
        "reserve",
        "seed",
        "transitions",
        "upstream_keys",
    ),
    "redis": ("claims", "correction", "reserve"),
}


class Place(NamedTuple):
    """Where a store is, and the one server of it that has the keys of the account `up`."""

    url: str
    server_url: str


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    module = metafunc.module.__name__.removeprefix("ledger.test_")
    clusters = [engine for engine, modules in ON_CLUSTERS.items() if module in modules]
    if "place" in metafunc.fixturenames and clusters:
        metafunc.parametrize("place", ("one", *clusters), indirect=True, scope="session")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    engine = getattr(request, "param", "one")
    if engine == "one":
        with tempfile.TemporaryDirectory(prefix="store-") as folder:
            server = find_server(os.environ.get("TEST_STORE_SERVER"))
            async with EmbeddedStore(Path(folder, "data"), server) as running:
                await quicken(running.url)
                yield Place(running.url, running.url)
    else:
        with yard() as ground:
            cluster = ground.cluster(engine)
            owner = cluster.owner("up").url
            await quicken(owner)
            yield Place(cluster.url, owner)


async def quicken(url: str) -> None:
    async with Redis.from_url(url) as redis:
        await redis.config_set("appendfsync", "no")  # the tests' time, not their subject


@pytest.fixture
async def redis(place: Place) -> AsyncIterator[Redis]:
    async with Redis.from_url(place.server_url) as connected:
        await connected.flushall()
        yield connected


@pytest.fixture
async def bench(place: Place, redis: Redis) -> AsyncIterator[Bench]:
    """The ledger of the account `up` at noon in 2050."""
    store = connect(place.url)
    bench = Bench(redis, store)
    await bench.at(NOON_US)
    yield bench
    await store.aclose()
