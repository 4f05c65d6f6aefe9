"""Creates that wait for an upstream slot: over two workers, and whatever happens to them meanwhile."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

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


async def waiting(http: httpx.AsyncClient, gateway: Gateway, **many: int) -> Metrics:
    """Wait until so many creates of these tenants queue."""

    async def ask() -> Metrics | None:
        found = await scrape(http, gateway)
        queued = {tenant: found.sum("gateway_upstream_queue_tenant", tenant=tenant) for tenant in many}
        return found if queued == many else None

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
    first, second = gateway.workers
    async with _waiting_only_past(second, "a", a) as lost, _waiting_only_past(first, "b", b) as left:
        metrics = await waiting(http, gateway, a=3, b=3)
        assert metrics.sum("gateway_upstream_queue", account="main", key="first") == 6
        assert metrics.sum("gateway_upstream_queue_position", tenant="b") == 6
        assert metrics.sum("gateway_reservations", state="open") == 1  # nothing is held for who waits
        again = await b.create(headers={"Idempotency-Key": "k0"}, prompt="0")
        assert_refused(again, 409, "idempotency_in_progress")
        left.pop().cancel()
        await waiting(http, gateway, a=3, b=2)
        os.kill(first, signal.SIGKILL)
        # The creates of a worker that dies are cut, and their tickets block nobody.
        assert await asyncio.gather(*(_cut(create) for create in lost)) == [True] * 3
        await waiting(http, gateway, a=0, b=2)
        assert (await a.ask("POST", f"/v1/prediction/{running}/cancel", json={})).status_code == 200
        done, _ = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED, timeout=15)
        assert [(await each).status_code for each in done] == [200]
        assert await Upstream(http, sandbox).arrived() == 2


async def test_the_tickets_of_a_worker_that_died_are_dropped_though_nobody_else_waits(
    stuck: tuple[Gateway, Sandbox], http: httpx.AsyncClient
) -> None:
    gateway, _ = stuck
    a = Tenant(http, gateway, gateway.secrets["a"])
    await a.created()
    first, second = gateway.workers
    async with _waiting_only_past(second, "a", a) as lost:
        os.kill(first, signal.SIGKILL)
        assert await asyncio.gather(*(_cut(create) for create in lost)) == [True] * 3
        await waiting(http, gateway, a=0)


@asynccontextmanager
async def _waiting_only_past(
    other: int, name: str, tenant: Tenant
) -> AsyncIterator[list["asyncio.Task[httpx.Response]"]]:
    """Have three creates of a tenant wait at the worker that is not `other`: this one stands still until they do."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as own_connections:
        own = replace(tenant, http=own_connections)
        os.kill(other, signal.SIGSTOP)
        creates = [
            asyncio.ensure_future(own.create(headers={"Idempotency-Key": f"k{n}"}, prompt=f"{n}")) for n in range(3)
        ]
        await waiting(tenant.http, tenant.gateway, **{name: 3})
        os.kill(other, signal.SIGCONT)
        yield creates
        for each in creates:
            each.cancel()


async def _cut(create: "asyncio.Task[httpx.Response]") -> bool:
    """Whether a create is cut before it is answered."""
    with suppress(httpx.TransportError):
        return not await create
    return True


async def test_a_stop_refuses_who_waits_at_once_with_a_time_to_come_again(
    stuck: tuple[Gateway, Sandbox], http: httpx.AsyncClient
) -> None:
    gateway, sandbox = stuck
    a = Tenant(http, gateway, gateway.secrets["a"])
    await a.created()
    create = asyncio.ensure_future(a.create())
    await waiting(http, gateway, a=1)
    begun = time.monotonic()
    gateway.terminate()
    answer = await create
    assert_refused(answer, 429, "upstream_busy")
    assert int(answer.headers["Retry-After"]) >= 1
    gateway.ended()
    assert time.monotonic() - begun < QUEUE_S
    assert await Upstream(http, sandbox).arrived() == 1
