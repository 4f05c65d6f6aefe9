"""kill -9 in the middle of a crowd: what was charged afterwards is upstream's own bill, each prediction once."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from decimal import Decimal

import httpx
import pytest

from e2e.clients import PRICE, Tenant, Upstream, until
from e2e.house import House
from e2e.policies import Policies, budget
from e2e.programs import Gateway, living

CLIENTS, MOST_EACH = 12, 40
#: A hold is stale 13 s after its create here; then upstream's list is read.
FOUND_SECONDS = 45


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account(create_timeout_seconds=1)
    policies.usual_run(1)
    policies.tenant("acme", budget("100.00"))
    return policies


class Crowd:
    """Clients that create as fast as they are answered; some of their answers are lost with a process."""

    def __init__(self, tenant: Tenant) -> None:
        self.sent = 0
        self.predictions: list[str] = []
        self.reservations: list[str] = []
        self._tenant = tenant
        self._enough = asyncio.Event()
        self._clients = [asyncio.ensure_future(self._create()) for _ in range(CLIENTS)]

    async def _create(self) -> None:
        for _ in range(MOST_EACH):
            if self._enough.is_set():
                return
            self.sent += 1
            try:
                answer = await self._tenant.create(seed=self.sent)
            except httpx.TransportError:
                await asyncio.sleep(0.02)  # the process that it spoke to is dead
                continue
            if answer.status_code == 200:
                self.predictions.append(answer.json()["predictionID"])
                self.reservations.append(answer.headers["X-Gateway-Reservation"])

    async def answered(self, number: int) -> None:
        """Wait until so many creates more were answered."""
        goal = len(self.predictions) + number

        async def reached() -> bool:
            return len(self.predictions) >= goal

        await until(reached)

    async def leave(self) -> None:
        self._enough.set()
        await asyncio.gather(*self._clients)


async def assert_exact(tenant: Tenant, upstream: Upstream, crowd: Crowd) -> None:
    """After the reconciler's work, ledger and upstream agree on every prediction and every cent."""

    async def agreed() -> bool:
        used, _ = await tenant.spent()
        return used == await upstream.billed() == PRICE * len((await upstream.books())["creates"])

    await until(agreed, FOUND_SECONDS)
    made = sorted(entry["id"] for entry in (await upstream.books())["creates"])
    listed = await tenant.executions()
    assert sorted(row["id"] for row in listed) == made
    assert {Decimal(str(row["execution_cost"])) for row in listed} == {PRICE}
    assert set(crowd.predictions) < set(made), "the kill lost no answer, so nothing was tried here"
    assert len(set(crowd.reservations)) == len(crowd.reservations)
    seeds = [(await upstream.prediction(id_))["input"]["seed"] for id_ in made]
    assert len(set(seeds)) == len(seeds), "a create was sent twice"
    assert await upstream.arrived() <= crowd.sent
    # What was held and never reached upstream is held until its absence is proved, a minute later.
    _, held = await tenant.spent()
    assert held <= PRICE * CLIENTS


Kill = Callable[[Gateway, Crowd], Awaitable[Gateway]]


async def kill_a_worker(gateway: Gateway, crowd: Crowd) -> Gateway:
    victim = gateway.workers[0]
    os.kill(victim, signal.SIGKILL)

    async def replaced() -> bool:
        return len(gateway.workers) == 2 and victim not in gateway.workers

    await until(replaced)
    await crowd.answered(20)
    await crowd.leave()
    return gateway


async def kill_the_whole(gateway: Gateway, crowd: Crowd) -> Gateway:
    family = gateway.family()
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait()

    async def none_is_left() -> bool:
        return living(family) == []

    await until(none_is_left)
    await crowd.leave()
    return gateway.again()


async def after(kill: Kill, house: House, policies: Policies, http: httpx.AsyncClient) -> None:
    sandbox = house.sandbox(seconds=0.3)
    gateway, upstream = house.gateway(policies, sandbox, workers=2), Upstream(http, sandbox)
    # Upstream begins a prediction at once and answers late, so that a kill finds creates without an answer.
    await upstream.faults(creates=["slow:0.2"] * CLIENTS * MOST_EACH)
    crowd = Crowd(Tenant(http, gateway, gateway.secrets["acme"]))
    await crowd.answered(60)
    survivor = house.keep(await kill(gateway, crowd))
    tenant = Tenant(http, survivor, gateway.secrets["acme"])
    assert (await tenant.create(seed=10**6)).status_code == 200
    crowd.sent += 1
    await assert_exact(tenant, upstream, crowd)
    await asyncio.to_thread(survivor.verify_ledger)


async def test_after_a_kill_of_a_worker_or_of_the_whole_the_ledger_agrees_with_upstreams_bill(
    house: House, policies: Policies, http: httpx.AsyncClient
) -> None:
    """Both at the same time, each with an upstream of its own, since it is mostly a wait for holds to be stale."""
    await asyncio.gather(*(after(kill, house, policies, http) for kill in (kill_a_worker, kill_the_whole)))
