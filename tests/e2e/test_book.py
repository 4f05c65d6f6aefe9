"""Every model of the shipped book, from its create to its bill."""

from decimal import Decimal
from random import Random

import httpx
import pytest
from pricing.asking import valid_input, without_null
from pricing.holds import PRICED

from e2e.clients import Tenants, Upstream, assert_refused, scrape
from e2e.policies import Policies, budget
from e2e.programs import Gateway


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.whole_book()
    policies.tenant("studio", budget("1000.00"))
    policies.tenant("trial", budget("1000.00"), guards=[{"parameter": "seconds", "max": 5}])
    return policies


async def test_no_model_of_the_book_is_billed_more_than_was_held_and_all_of_it_is_charged(
    tenant: Tenants, upstream: Upstream, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    studio, chance, running = tenant("studio"), Random(4), {}
    for model in PRICED:
        input = without_null(valid_input(model, chance)) | ({"duration": 4} if "veo" in model.slug else {})
        created = await studio.create(model=model.slug, base=input)
        assert created.status_code == 200, (model.slug, input, created.text)
        running[model.slug] = created
    for slug, created in running.items():
        settled = await studio.settled(created.json()["predictionID"])
        cost, held = (
            Decimal(each) for each in (settled.headers["X-Gateway-Cost-USD"], created.headers["X-Gateway-Hold-USD"])
        )
        assert 0 < cost <= held, slug
        assert Decimal(created.headers["X-Gateway-Estimate-USD"]) <= held
    used, left = await studio.spent()
    assert (used, left) == (await upstream.billed(), 0)
    metrics = await scrape(http, gateway)
    assert metrics.sum("gateway_settlements_total", how="exact") == len(PRICED)
    assert metrics.sum("gateway_settlements_total", how="overrun") == 0


async def test_what_the_book_has_no_price_for_is_refused_and_sends_nothing(
    tenant: Tenants, upstream: Upstream
) -> None:
    studio, arrived = tenant("studio"), await upstream.arrived()
    unpriced = await studio.create(model="flux-2", base={"prompt": "a cat"})
    assert_refused(unpriced, 403, "model_unpriced")
    without_row = await studio.create(model="veo3-1-text-to-video", base={"prompt": "a", "generate_audio": False})
    assert "there is no price for duration" in assert_refused(without_row, 403, "model_unpriced")["message"]
    assert await upstream.arrived() == arrived


async def test_a_guard_on_seconds_binds_every_model_that_has_them(tenant: Tenants, upstream: Upstream) -> None:
    trial, arrived = tenant("trial"), await upstream.arrived()
    for slug in (
        "kling-v1-5-pro-text-to-video",
        "wan-v2-6-text-to-video",
        "minimax-hailuo-v2-3-standard-text-to-video",
    ):
        refused = assert_refused(
            await trial.create(model=slug, base={"prompt": "a", "duration": 10}), 403, "parameter_not_allowed"
        )
        assert (refused["parameter"], refused["value"], refused["bound"]) == ("seconds", 10, "at most 5")
    assert await upstream.arrived() == arrived
