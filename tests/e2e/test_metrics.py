"""Metrics over two workers: sums that are right, labels that no client makes, and the probes."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from e2e.clients import Tenants, scrape, until
from e2e.policies import KLEIN, Policies, budget, limit
from e2e.programs import Gateway

CLOSE = {"Connection": "close"}  # every request makes a connection, so that both workers have some


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account(unpriced="0.01", limits=[budget("100", "month")])
    policies.tenant("acme", budget("1.00"), limit("concurrency", max=50), budget("0.001", "day", mode="shadow"))
    policies.tenant("wild", budget("9.00"))
    policies.tenant("lent", key={"expires": datetime.now(UTC) + timedelta(hours=2)})
    policies.tenant("few", limit("count", window="year", max=7))
    return policies


async def test_the_sums_over_both_workers_are_what_was_sent(
    tenant: Tenants, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    acme, few = tenant("acme"), tenant("few")
    creates = [acme.create(headers=CLOSE) for _ in range(30)] + [few.create(headers=CLOSE) for _ in range(20)]
    creates += [acme.create(headers=CLOSE, num_images=9) for _ in range(10)]
    answers = await asyncio.gather(*creates)
    assert Counter(answer.status_code for answer in answers) == {200: 37, 429: 13, 400: 10}
    predictions = [answer.json()["predictionID"] for answer in answers[:30]]
    await asyncio.gather(*(acme.settled(prediction) for prediction in predictions))
    await asyncio.gather(*(acme.ask("GET", "/gateway/usage", headers=CLOSE) for _ in range(11)))

    async def counted() -> bool:
        return (await scrape(http, gateway)).sum("gateway_requests_total", route="usage", status="200") == 11

    await until(counted, 3)
    seen = await scrape(http, gateway)
    requests = {
        status: seen.sum("gateway_requests_total", route="create", status=status) for status in ("200", "429")
    }
    assert requests == {"200": 37, "429": 13}
    assert seen.sum("gateway_requests_total", route="create") == 60
    assert seen.sum("gateway_request_duration_seconds_count", route="create") == 60
    assert seen.sum("gateway_upstream_request_duration_seconds_count", operation="create") == 37
    assert seen.sum("gateway_requests_total", route="poll", status="200") >= 30
    assert seen.sum("gateway_admissions_total", tenant="acme", outcome="admitted") == 30
    assert seen.sum("gateway_admissions_total", tenant="acme", outcome="invalid_input") == 10
    assert seen.sum("gateway_admissions_total", tenant="few", outcome="admitted") == 7
    assert seen.sum("gateway_admissions_total", tenant="few", outcome="count_exceeded") == 13
    assert seen.sum("gateway_admissions_total") == 60
    assert seen.sum("gateway_shadow_refusals_total", tenant="acme", code="budget_exceeded") == 30
    assert seen.sum("gateway_estimated_usd_total", tenant="acme", model=KLEIN) == pytest.approx(0.42)
    assert seen.sum("gateway_settled_usd_total", tenant="acme", model=KLEIN) == pytest.approx(0.42)
    assert seen.sum("gateway_settlements_total", how="exact") >= 30


async def test_the_gauges_of_limits_and_reservations_are_the_ledgers(
    tenant: Tenants, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    wild = tenant("wild")
    await wild.created()
    seen = await scrape(http, gateway)
    names = {"scope": "tenant/wild", "limit": "budget-total"}
    used, held = await wild.spent()
    assert seen.sum("gateway_limit_usd", **names) == 9
    assert seen.sum("gateway_limit_used_usd", **names) + seen.sum("gateway_limit_held_usd", **names) == pytest.approx(
        float(used + held)
    )
    assert seen.sum("gateway_limit_usage_ratio", **names) == pytest.approx(float((used + held) / 9))
    assert seen.sum("gateway_limit_usage_ratio", scope="tenant/few", limit="count-year") == 1
    assert seen.sum("gateway_limit_usd", scope="account/main", limit="budget-month") == 100
    assert seen.sum("gateway_reservations", state="open") >= 1
    assert seen.sum("gateway_reservations", state="in_doubt") == 0
    assert seen.sum("gateway_upstream_in_flight", account="main", key="first") >= 1
    assert 0 <= seen.sum("gateway_oldest_reservation_seconds") < 60
    assert seen.sum("gateway_ledger_up") == 1
    assert seen.sum("gateway_ledger_duration_seconds_count") > 0
    assert seen.sum("gateway_policy_info") == 1
    assert 6600 < seen.sum("gateway_key_expires_in_seconds", tenant="lent", key="web") < 7200
    assert seen.sum("gateway_key_expires_in_seconds", tenant="wild") == 0  # a key without an expiry is not there


async def test_no_label_is_made_by_a_client(tenant: Tenants, http: httpx.AsyncClient, gateway: Gateway) -> None:
    wild = tenant("wild")
    assert (await wild.create(model="wild-model-slug")).status_code == 404  # held as unpriced; upstream has none
    await wild.ask("GET", "/wild-path")
    await wild.ask("PATCH", "/v1/prediction")
    await wild.ask("GET", "/v1/prediction/wild-id")
    await wild.ask("GET", "/v1/models", headers={"X-API-Key": "wild-key"})
    await wild.create(**{"num_images": 1, "wild-parameter": 1})

    async def counted() -> bool:
        return (await scrape(http, gateway)).sum("gateway_requests_total", route="other", status="403") == 2

    await until(counted, 3)
    labels = (await scrape(http, gateway)).values()
    assert {value for value in labels if "wild" in value} == {
        "wild",
        "tenant/wild",
    }
    assert "other" in labels


async def test_the_probes_answer(tenant: Tenants, http: httpx.AsyncClient, gateway: Gateway) -> None:
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/gateway/usage", 404)):
        assert (await http.get(gateway.metrics_url + path)).status_code == status
    assert (await http.get(f"{gateway.url}/gateway/healthz")).status_code == 200
    assert (await tenant("acme").ask("GET", "/metrics")).status_code == 403
    assert (await http.get(f"{gateway.metrics_url}/readyz")).json()["status"] == "ready"
