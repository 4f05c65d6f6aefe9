"""The stores of the session; their durability is tried in test_embedded alone.

Every test runs on one server. Those of the modules in `ON_CLUSTERS` run on a Cluster of three nodes too; where
redis-server is not installed, its share is skipped.
"""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from redis.asyncio import Redis
from stores.servers import Yard

from gateway.ledger.embedded import EmbeddedStore, find_server

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
#: Writes of tests are not synced to disk: that is their time, not their subject.
QUICK = ("appendfsync", "no")


class Place(NamedTuple):
    """Where a store is, and the one server of it that has the keys of the account `up`."""

    url: str
    server_url: str


def clusters_of(module: str) -> list[str]:
    """Name the engines on whose Clusters the tests of a module run too."""
    return [engine for engine, names in ON_CLUSTERS.items() if module.removeprefix("ledger.test_") in names]


@asynccontextmanager
async def one_server() -> AsyncIterator[Place]:
    """Run the embedded store, or the one that TEST_STORE_SERVER names."""
    with tempfile.TemporaryDirectory(prefix="store-") as folder:
        server = find_server(os.environ.get("TEST_STORE_SERVER"))
        async with EmbeddedStore(Path(folder, "data"), server) as running, Redis.from_url(running.url) as redis:
            await redis.config_set(*QUICK)
            yield Place(running.url, running.url)


def a_cluster(ground: Yard, engine: str) -> Place:
    """Start a Cluster in a yard."""
    cluster = ground.cluster(engine)
    owner = cluster.owner("up")
    owner.redis.config_set(*QUICK)
    return Place(cluster.url, owner.url)
