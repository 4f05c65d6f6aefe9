"""One server for the session, emptied for each test; its durability is tried in test_embedded alone."""

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.ledger.embedded import EmbeddedStore, find_server
from gateway.ledger.store import connect
from ledger.bench import NOON_US, Bench


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def store_url() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="store-") as folder:
        async with EmbeddedStore(Path(folder, "data"), find_server(os.environ.get("TEST_STORE_SERVER"))) as running:
            async with Redis.from_url(running.url) as redis:
                await redis.config_set("appendfsync", "no")  # the tests' time, not their subject
            yield running.url


@pytest.fixture
async def redis(store_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(store_url) as connected:
        await connected.flushall()
        yield connected


@pytest.fixture
async def bench(store_url: str, redis: Redis) -> AsyncIterator[Bench]:
    """The ledger of the account `up` at noon in 2050."""
    store = connect(store_url)
    bench = Bench(redis, store)
    await bench.at(NOON_US)
    yield bench
    await store.aclose()
