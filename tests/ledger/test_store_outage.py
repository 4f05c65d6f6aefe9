"""The store forgets its scripts, restarts, hangs or is gone: calls work or fail, and never wait for long."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.ledger.decisions import Admitted
from gateway.ledger.embedded import EmbeddedStore, find_server
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import LedgerUnavailable, connect
from ledger.bench import NOON_US, Bench, budget

#: Two tries of a connection and a command, and what a busy machine adds.
MOST_SECONDS = 3.0


@pytest.fixture
async def own() -> AsyncIterator[EmbeddedStore]:
    with tempfile.TemporaryDirectory(prefix="store-") as folder:
        async with EmbeddedStore(Path(folder, "data"), find_server(os.environ.get("TEST_STORE_SERVER"))) as store:
            yield store


@pytest.fixture
async def alone(own: EmbeddedStore) -> AsyncIterator[Bench]:
    """A bench on a store that only this test uses."""
    store = connect(own.url)
    async with Redis.from_url(own.url) as redis:
        bench = Bench(redis, store)
        await bench.at(NOON_US)
        yield bench
    await store.aclose()


async def fails_soon(call: Awaitable[object]) -> None:
    begun = time.monotonic()
    with pytest.raises(LedgerUnavailable):
        await call
    assert time.monotonic() - begun < MOST_SECONDS


async def killed(own: EmbeddedStore) -> None:
    assert own.pid is not None
    os.kill(own.pid, signal.SIGKILL)
    assert own._server is not None
    await own._server.wait()


async def test_scripts_that_the_store_forgot_are_sent_again(bench: Bench) -> None:
    postings = bench.postings(budget(100))
    held = await bench.admit(postings)
    await bench.redis.script_flush()
    assert isinstance(await bench.reserve(postings), Admitted)
    await bench.redis.script_flush()
    assert await bench.ledger.confirm(held.id, "p", 5, (200, b"{}")) is not None
    assert await bench.counted() == (0, 20, 2)


async def test_a_restart_between_two_calls_is_not_noticed(alone: Bench, own: EmbeddedStore) -> None:
    postings = alone.postings(budget(100))
    await asyncio.gather(*(alone.admit(postings) for _ in range(5)))  # several connections lie in the pool
    watching = asyncio.create_task(own.watch())
    old = own.pid
    await killed(own)
    for _ in range(500):
        await asyncio.sleep(0.02)
        if own.pid != old and await answers(alone):
            break
    decisions = await asyncio.gather(*(alone.reserve(postings) for _ in range(5)))
    assert all(isinstance(decision, Admitted) for decision in decisions)
    assert await alone.counted() == (0, 100, 10)
    watching.cancel()


async def answers(bench: Bench) -> bool:
    try:
        return bool(await bench.redis.ping())
    except (RedisError, OSError):
        return False


async def test_a_store_that_is_gone_is_told_at_once_and_used_again_when_it_is_back(
    alone: Bench, own: EmbeddedStore
) -> None:
    postings = alone.postings(budget(100))
    held = await alone.admit(postings)
    await own.stop()
    await fails_soon(alone.reserve(postings))
    await fails_soon(alone.ledger.confirm(held.id, "p", 5))
    await fails_soon(alone.views.reservation(held.id))
    await own.start()
    assert isinstance(await alone.reserve(postings), Admitted)
    assert await alone.counted() == (0, 20, 2)


async def test_a_store_that_hangs_is_given_up_in_time_and_nothing_is_held_twice(
    alone: Bench, own: EmbeddedStore
) -> None:
    postings, order = alone.postings(budget(100)), alone.order()
    await alone.prime(postings)
    assert own.pid is not None
    os.kill(own.pid, signal.SIGSTOP)
    try:
        await fails_soon(alone.ledger.reserve(order, postings, [("main", 9, 9)]))
    finally:
        os.kill(own.pid, signal.SIGCONT)
    # It ran after all; the release that admission sends behind it takes the hold back.
    await alone.ledger.release(order.id, sent=False, reason="the reserve was not answered")
    assert await alone.counted() == (0, 0, 0)
    assert (await alone.views.totals()).open == 0


async def test_many_calls_at_once_wait_for_a_connection_or_fail_but_not_for_long(
    alone: Bench, own: EmbeddedStore
) -> None:
    postings = alone.postings(budget(10**6))
    await alone.prime(postings)
    decisions = await asyncio.gather(*(alone.reserve(postings) for _ in range(200)))
    assert sum(isinstance(decision, Admitted) for decision in decisions) == 200
    assert own.pid is not None
    os.kill(own.pid, signal.SIGSTOP)
    try:
        await asyncio.gather(*(fails_soon(alone.reserve(postings)) for _ in range(60)))
    finally:
        os.kill(own.pid, signal.SIGCONT)


async def test_a_store_out_of_memory_refuses_and_writes_nothing(alone: Bench) -> None:
    postings = alone.postings(budget(100))
    await alone.prime(postings)
    before = await alone.dump()
    await alone.redis.config_set("maxmemory", 1)
    await fails_soon(alone.reserve(postings))
    await alone.redis.config_set("maxmemory", 0)
    assert await alone.dump() == before


async def test_closing_a_store_closes_its_connections(own: EmbeddedStore) -> None:
    store = connect(own.url)
    await store.read("PING")
    await store.aclose()
    async with Redis.from_url(own.url) as redis:
        assert len(await redis.client_list()) == 1


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1", "redis+cluster://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/a"]
)
async def test_a_store_of_any_kind_that_is_not_there_is_an_outage(url: str) -> None:
    store = connect(url)
    with pytest.raises(LedgerUnavailable):
        await store.read("GET", "a")
    with pytest.raises(LedgerUnavailable):
        await store.run(load_scripts()["turn"], "{up}", {})
    with pytest.raises(LedgerUnavailable):
        await store.listen("a", print)
    await store.aclose()


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "", "redis+sentinel://localhost:26379"])
def test_an_address_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"not a store's address|names no Sentinel service"):
        connect(url)


def test_the_clock_is_the_only_thing_that_a_simulator_replaces() -> None:
    plain, other = load_scripts(), load_scripts("local function store_time() return 1 end")
    assert "redis.call('TIME')" in plain["reserve"].text.decode()
    assert all("redis.call('TIME')" not in each.text.decode() for each in other.values())
