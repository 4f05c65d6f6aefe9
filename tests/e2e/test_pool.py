"""A pool of upstream keys: what upstream refuses one key goes by another, once, and is accounted for exactly."""

from decimal import Decimal

import httpx
import pytest

from e2e.clients import PRICE, Tenants, Upstream, assert_refused, scrape, until
from e2e.policies import Policies, budget
from e2e.programs import Gateway


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    for account in ("main", "limited", "dead"):
        policies.account(account, keys=2)
        policies.tenant(f"of-{account}", budget("1.00"), account=account)
    return policies


@pytest.mark.parametrize(("account", "status", "reason"), [("main", "401", "refused"), ("limited", "429", "limited")])
async def test_a_create_that_one_key_is_refused_goes_by_the_other_and_the_first_rests(
    tenant: Tenants,
    upstream: Upstream,
    gateway: Gateway,
    http: httpx.AsyncClient,
    account: str,
    status: str,
    reason: str,
) -> None:
    who, before = tenant(f"of-{account}"), await upstream.arrived()
    await upstream.faults(creates=[status])
    prediction = await who.created()
    assert await upstream.arrived() == before + 2
    await who.settled(prediction)
    assert await who.spent() == (PRICE, Decimal(0))  # the first attempt left nothing behind
    metrics = await scrape(http, gateway)
    assert metrics.sum("gateway_upstream_key_refusals_total", account=account, key="first", reason=reason) == 1
    if reason == "refused":  # the other rests for a second only
        assert metrics.sum("gateway_upstream_key_out", account=account, key="first", reason=reason) == 1
        assert metrics.sum("gateway_upstream_key_out", account=account, key="second") == 0
    assert f"upstream key 'first' of account '{account}' rests" in gateway.said()


async def test_where_every_key_is_refused_each_is_tried_once_and_nothing_is_held(
    tenant: Tenants, upstream: Upstream
) -> None:
    who, before = tenant("of-dead"), await upstream.arrived()
    await upstream.faults(creates=["402", "402"])
    assert_refused(await who.create(), 503, "upstream_unavailable")
    assert await upstream.arrived() == before + 2
    assert await who.spent() == (Decimal(0), Decimal(0))
    await until(who.created)  # it is over, and nobody had to do anything


async def test_what_may_have_run_goes_by_no_other_key(tenant: Tenants, upstream: Upstream) -> None:
    who = tenant("of-dead")
    for fault in ("500_after", "cut_after", "503", "403"):
        before = await upstream.arrived()
        await upstream.faults(creates=[fault])
        assert (await who.create()).status_code in (503, 504)
        assert await upstream.arrived() == before + 1
