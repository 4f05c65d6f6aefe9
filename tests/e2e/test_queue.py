"""Creates that wait for an upstream slot: over two workers, and whatever happens to them meanwhile."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from e2e.clients import Metrics, Tenant, Tenants, Upstream, assert_refused, scrape, until
from e2e.house import House
from e2e.policies import Policies, budget
from e2e.programs import Gateway, Sandbox

QUEUE_S = 20


def queueing(**account: float) -> Policies:
    policies = Policies()
    policies.account(**{"concurrent": 1, "queue_seconds": QUEUE_S} | account)
    for tenant in ("a", "b"):
        policies.tenant(tenant, budget("5.00"), account="main")
    return policies


@pytest.fixture(scope="module")
def policies() -> Policies:
    return queueing()


@pytest.fixture(scope="module")
def sandbox(house: House) -> Sandbox:
    return house.sandbox(seconds=0.3, concurrent=1)


async def waiting(http: httpx.AsyncClient, gateway: Gateway, many: int) -> Metrics:
    """Wait until so many creates queue."""

    async def ask() -> Metrics | None:
        found = await scrape(http, gateway)
        return found if found.sum("gateway_upstream_queue", account="main", key="first") == many else None

    found = await until(ask)
    assert found is not None
    return found


async def test_creates_wait_for_the_one_slot_and_all_are_admitted(
    tenant: Tenants, upstream: Upstream, gateway: Gateway
) -> None:

    async def one(who: Tenant, number: int) -> None:
        await who.settled(await who.created(prompt=f"{number}"))

    await asyncio.gather(*(one(tenant(name), number) for number in range(2) for name in "ab"))
    totals = (await upstream.books())["totals"]
    assert set(totals["max_in_flight"].values()) == {1}
    assert totals["refused"] == {}
    metrics = await scrape(upstream.http, gateway)
    assert metrics.sum("gateway_upstream_queue_wait_seconds_count", outcome="admitted") >= 2


@pytest.fixture
def stuck(house: House) -> Iterator[tuple[Gateway, Sandbox]]:
    """A gateway of two workers whose one slot is taken for long, once a create has come."""
    sandbox = house.sandbox(seconds=3600, concurrent=1)
    gateway = house.gateway(queueing(), sandbox, workers=2)
    yield gateway, sandbox
    gateway.kill()
    sandbox.kill()


async def test_who_waits_is_seen_keeps_its_key_leaves_with_its_client_and_outlives_another_worker(
    stuck: tuple[Gateway, Sandbox], http: httpx.AsyncClient
) -> None:
    gateway, sandbox = stuck
    a, b = (Tenant(http, gateway, gateway.secrets[name]) for name in "ab")
    running = await a.created()
    creates = [asyncio.ensure_future(b.create(headers={"Idempotency-Key": f"k{n}"}, prompt=f"{n}")) for n in range(6)]
    metrics = await waiting(http, gateway, 6)
    assert metrics.sum("gateway_upstream_queue_position", tenant="b") == 6
    assert metrics.sum("gateway_reservations", state="open") == 1  # nothing is held for who waits
    again = await b.create(headers={"Idempotency-Key": "k0"}, prompt="0")
    assert_refused(again, 409, "idempotency_in_progress")
    creates.pop().cancel()
    await waiting(http, gateway, 5)
    # A worker dies: its creates are cut, and their tickets block nobody; at least one is left with the other worker.
    os.kill(gateway.workers[0], signal.SIGKILL)
    lost, left = await _lost(creates)
    await waiting(http, gateway, len(left))
    upstream = Upstream(http, sandbox)
    assert (await a.ask("POST", f"/v1/prediction/{running}/cancel", json={})).status_code == 200
    if left:
        done, _ = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED, timeout=15)
        assert [(await each).status_code for each in done] == [200]
    assert await upstream.arrived() == 1 + bool(left)
    for each in left:
        each.cancel()
    assert len(lost) + len(left) == 5


async def _lost(
    creates: list["asyncio.Task[httpx.Response]"],
) -> tuple[list[object], list["asyncio.Task[httpx.Response]"]]:
    """Tell apart what was cut with its worker and what still waits."""
    done, pending = await asyncio.wait(creates, timeout=1)
    assert all(isinstance(each.exception(), httpx.TransportError) for each in done)
    return list(done), list(pending)


async def test_a_stop_refuses_who_waits_at_once_with_a_time_to_come_again(
    stuck: tuple[Gateway, Sandbox], http: httpx.AsyncClient
) -> None:
    gateway, sandbox = stuck
    a = Tenant(http, gateway, gateway.secrets["a"])
    await a.created()
    create = asyncio.ensure_future(a.create())
    await waiting(http, gateway, 1)
    begun = time.monotonic()
    gateway.terminate()
    answer = await create
    assert_refused(answer, 429, "upstream_busy")
    assert int(answer.headers["Retry-After"]) >= 1
    gateway.ended()
    assert time.monotonic() - begun < QUEUE_S
    assert await Upstream(http, sandbox).arrived() == 1
