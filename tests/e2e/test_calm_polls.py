"""Polls as clients make them: often, many at once, on several workers; and a client that would rather wait."""

import asyncio
import time

import pytest

from e2e.clients import Tenants, Upstream, until
from e2e.house import House
from e2e.policies import Policies, budget
from e2e.programs import Sandbox


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.tenant("acme", budget("9.00"))
    return policies


@pytest.fixture(scope="module")
def sandbox(house: House) -> Sandbox:
    return house.sandbox(seconds=2.5)


async def polls(upstream: Upstream) -> int:
    return (await upstream.books())["totals"]["polls"]


async def test_upstream_is_polled_once_a_second_however_many_clients_poll(
    tenant: Tenants, upstream: Upstream
) -> None:
    acme, before = tenant("acme"), await polls(upstream)
    prediction, begun = await acme.created(), time.monotonic()
    asked = 0

    async def insist() -> None:
        nonlocal asked
        while True:
            answer = await acme.poll(prediction)
            asked += 1
            assert answer.status_code == 200, answer.text
            assert 0 <= int(answer.headers["Age"]) <= time.monotonic() - begun
            if "X-Gateway-Cost-USD" in answer.headers:
                return

    await asyncio.gather(*(insist() for _ in range(8)))
    seconds = time.monotonic() - begun
    assert asked > 20
    # One at the beginning of each second, the reconciler's included, and a last one by each of the two workers.
    assert await polls(upstream) - before <= seconds + 1 + 2
    settled = await polls(upstream)
    await asyncio.gather(*(acme.poll(prediction) for _ in range(20)))
    assert await polls(upstream) <= settled + 1  # by a worker that had not seen the end


async def test_a_client_may_wait_until_the_status_is_another(tenant: Tenants, upstream: Upstream) -> None:
    acme = tenant("acme")
    prediction, statuses = await acme.created(), ["created"]
    while statuses[-1] != "success":
        waited = await acme.ask("GET", f"/v1/prediction/{prediction}", headers={"Prefer": "respond-async, wait=25"})
        assert waited.headers["Preference-Applied"] == "wait=25"
        statuses.append(waited.json()["status"])
        assert statuses[-1] != statuses[-2]
    assert waited.headers["X-Gateway-Cost-USD"] == "0.014"


async def test_a_client_that_waits_gets_what_there_is_when_its_time_is_over(tenant: Tenants) -> None:
    acme = tenant("acme")
    prediction = await acme.created()
    waited = await acme.ask("GET", f"/v1/prediction/{prediction}", headers={"Prefer": "wait=1"})
    assert waited.json()["status"] != "success"
    assert "X-Gateway-Cost-USD" not in waited.headers


async def test_a_client_that_hangs_up_while_upstream_is_asked_takes_no_answer_from_another(
    tenant: Tenants, upstream: Upstream
) -> None:
    acme = tenant("acme")
    prediction, before = await acme.created(), await polls(upstream)
    await upstream.faults(polls=["slow:0.7"])
    impatient, patient = (asyncio.ensure_future(acme.poll(prediction)) for _ in range(2))

    async def asked() -> bool:
        return await polls(upstream) > before

    await until(asked)
    impatient.cancel()
    assert (await patient).json()["id"] == prediction
    assert impatient.cancelled()
