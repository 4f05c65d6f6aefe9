"""The end of a gateway: what is in flight is answered, the exit is 0, and no process is left."""

import asyncio

import httpx
import pytest

from e2e.clients import PRICE, Tenant, Tenants, Upstream, until
from e2e.house import House
from e2e.policies import Policies, budget
from e2e.programs import Gateway, Sandbox, living


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.tenant("acme", budget("1.00"))
    return policies


@pytest.fixture
def gateway(house: House, policies: Policies, sandbox: Sandbox) -> Gateway:
    return house.gateway(policies, sandbox, workers=2)


async def test_sigterm_answers_a_slow_create_and_poll_and_exits_0_without_leaving_a_process(
    house: House, tenant: Tenants, upstream: Upstream, gateway: Gateway, http: httpx.AsyncClient
) -> None:
    acme, prediction = tenant("acme"), await tenant("acme").created()
    arrived, asked = await upstream.arrived(), (await upstream.books())["totals"]["polls"]
    await upstream.faults(creates=["slow:1.5"], polls=["slow:1.5"])
    slow = asyncio.ensure_future(acme.create())
    looked = asyncio.ensure_future(acme.poll(prediction))

    async def sent() -> bool:
        return await upstream.arrived() > arrived and (await upstream.books())["totals"]["polls"] > asked

    await until(sent)
    family = gateway.family()
    assert len(family) == 3
    gateway.terminate()
    created = await slow
    assert created.status_code == 200, created.text
    assert (await looked).json()["id"] == prediction
    await asyncio.to_thread(gateway.ended)
    assert living(family) == []

    again = Tenant(http, house.keep(gateway.again()), acme.secret)
    polled = await again.settled(created.json()["predictionID"])
    assert polled.headers["X-Gateway-Cost-USD"] == "0.014"
    await again.settled(prediction)
    assert await again.spent() == (2 * PRICE, 0)
