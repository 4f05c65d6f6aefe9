"""What upstream refuses: passed on or translated, and released every time."""

import httpx
import pytest

from e2e.clients import Tenant, Tenants, Upstream, assert_refused
from e2e.house import House
from e2e.policies import KLEIN, Policies, budget, limit
from e2e.programs import Gateway, Sandbox


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.tenant("acme", budget("1.00"), limit("count", window="year", max=50), limit("concurrency", max=4))
    policies.tenant("other", budget("1.00"))
    return policies


async def nothing_is_held(tenant: Tenant) -> None:
    usage = await tenant.usage()
    assert [(line["used"], line["held"]) for line in usage.values()] == [("0.00", "0.00"), (0, 0), (0, 0)]


@pytest.mark.parametrize("status", ["400", "404", "422"])
async def test_a_plain_refusal_passes_through_unchanged(tenant: Tenants, upstream: Upstream, status: str) -> None:
    await upstream.faults(creates=[status, status])
    direct = await upstream.http.post(
        f"{upstream.sandbox.url}/v1/prediction", json={"model": KLEIN, "input": {}}, headers={"X-API-Key": "k"}
    )
    through = await tenant("acme").create()
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    assert through.status_code == int(status)
    await nothing_is_held(tenant("acme"))


@pytest.mark.parametrize("status", ["401", "402", "403"])
async def test_what_is_the_operators_affair_is_unavailable_and_told_in_the_log(
    tenant: Tenants, upstream: Upstream, gateway: Gateway, status: str
) -> None:
    await upstream.faults(creates=[status])
    answer = await tenant("acme").create()
    assert_refused(answer, 503, "upstream_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    for word in ("made by a fault", "payment", "API key", "forbidden"):
        assert word not in answer.text
    assert f"answered {status}" in gateway.said()
    await nothing_is_held(tenant("acme"))


async def test_upstreams_own_429_is_upstream_busy_with_its_retry_after(tenant: Tenants, upstream: Upstream) -> None:
    await upstream.faults(creates=["429"])
    answer = await tenant("acme").create()
    assert_refused(answer, 429, "upstream_busy")
    assert answer.headers["Retry-After"] == "1"
    await nothing_is_held(tenant("acme"))


async def test_a_create_is_sent_once_whatever_the_answer(tenant: Tenants, upstream: Upstream) -> None:
    for fault in ("400", "401", "429", "503"):
        arrived = await upstream.arrived()
        await upstream.faults(creates=[fault])
        await tenant("other").create()
        assert await upstream.arrived() == arrived + 1


async def test_a_poll_that_upstream_fails_at_twice_is_answered(tenant: Tenants, upstream: Upstream) -> None:
    prediction = await tenant("other").created()
    await upstream.faults(polls=["500", "cut"])
    polled = await tenant("other").poll(prediction)
    assert (polled.status_code, polled.json()["id"]) == (200, prediction)
    await tenant("other").settled(prediction)


async def test_a_poll_that_upstream_always_fails_at_is_an_upstream_error(tenant: Tenants, upstream: Upstream) -> None:
    prediction = await tenant("other").created()
    await upstream.faults(polls=["500", "503", "500"])
    answer = await tenant("other").poll(prediction)
    assert_refused(answer, 502, "upstream_error")
    assert answer.elapsed.total_seconds() < 3
    assert (await tenant("other").settled(prediction)).status_code == 200


async def test_a_poll_with_a_refused_upstream_key_is_unavailable(tenant: Tenants, upstream: Upstream) -> None:
    prediction = await tenant("other").created()
    await upstream.faults(polls=["401"])
    assert_refused(await tenant("other").poll(prediction), 503, "upstream_unavailable")
    await tenant("other").settled(prediction)


async def test_an_upstream_that_is_away_is_unreachable_and_nothing_is_held(
    house: House, policies: Policies, http: httpx.AsyncClient
) -> None:
    away: Sandbox = house.sandbox()
    gateway = house.gateway(policies, away)
    acme = Tenant(http, gateway, gateway.secrets["acme"])
    ended = await acme.created()
    await acme.settled(ended)
    running, before = await acme.created(), await acme.usage()
    away.stop()
    assert_refused(await acme.create(), 502, "upstream_unreachable")
    assert await acme.usage() == before
    assert_refused(await acme.poll(running), 502, "upstream_error")
    assert (await acme.poll(ended)).headers["X-Gateway-Cost-USD"] == "0.014"  # an end stays as it was seen
    assert_refused(await acme.ask("GET", "/v1/models"), 502, "upstream_error")
