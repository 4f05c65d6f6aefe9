"""One create from its beginning to its bill, and what travels between client and upstream on the way."""

from decimal import Decimal

import httpx
import pytest

from e2e.clients import INPUT, PRICE, Tenants, Upstream, scrape, until
from e2e.policies import KLEIN, REMOVER, Policies, budget, limit
from e2e.programs import Gateway


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.fixed_price(REMOVER, "0.017")
    policies.tenant("group", budget("9.00"))
    everything = (budget("5.00"), limit("rate", per_minute=600, burst=20), limit("concurrency", max=4))
    trial = budget("0.001", "day", id="trial", mode="shadow")
    policies.tenant("acme", *everything, limit("count", window="year", max=50), trial, parent="group")
    for name in ("runner", "idle", "canceller", "plain"):
        policies.tenant(name, budget("1.00"))
    guard = {"parameter": "num_images", "max": 1}
    limits = (budget("0.00"), limit("rate", per_minute=1))
    policies.tenant("watched", *limits, guards=[guard], models=["other-*"], mode="shadow")
    return policies


async def test_a_create_is_held_polled_settled_and_shown_everywhere_at_upstreams_own_bill(
    tenant: Tenants, upstream: Upstream, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    acme, billed = tenant("acme"), await upstream.billed()
    created = await acme.create()
    assert created.status_code == 200
    reservation, prediction = created.headers["X-Gateway-Reservation"], created.json()["predictionID"]
    held = await acme.reservation(reservation)
    assert (held["state"], held["hold_usd"], held["cost_usd"]) == ("running", "0.014", None)
    assert await acme.spent() == (0, PRICE)

    polled = await acme.settled(prediction)
    assert polled.headers["X-Gateway-Cost-USD"] == "0.014"
    assert polled.json()["status"] == "success"
    assert await upstream.billed() - billed == PRICE
    assert await acme.spent() == (PRICE, 0)
    usage = await acme.usage()
    assert (usage["concurrency"]["used"], usage["count-year"]["used"]) == (0, 1)
    (execution,) = await acme.executions()
    assert (execution["id"], execution["status"], execution["model"]) == (prediction, "success", KLEIN)
    assert Decimal(str(execution["execution_cost"])) == PRICE
    ended = await acme.reservation(reservation)
    assert (ended["state"], ended["cost_usd"], ended["settled_how"]) == ("settled", "0.014", "exact")
    assert (ended["prediction_id"], ended["status"]) == (prediction, "success")
    metrics = await scrape(http, gateway)
    assert metrics.sum("gateway_admissions_total", tenant="acme", outcome="admitted") == 1
    assert metrics.sum("gateway_settled_usd_total", tenant="acme", model=KLEIN) == pytest.approx(0.014)
    assert metrics.sum("gateway_limit_used_usd", scope="tenant/acme", limit="budget-total") == pytest.approx(0.014)


async def test_an_admitted_create_carries_every_header_of_the_money_and_of_the_limits(tenant: Tenants) -> None:
    headers = (await tenant("acme").create(image_size="square_hd", num_images=2)).headers
    assert headers["X-Gateway-Reservation"].startswith("res_")
    assert headers["X-Gateway-Estimate-USD"] == headers["X-Gateway-Hold-USD"] == "0.03"
    used, held = await tenant("acme").spent()
    assert Decimal(headers["X-Gateway-Budget-Remaining-USD"]) == 5 - used - held
    assert headers["X-Gateway-Shadow-Refused"] == "trial"
    assert '"tenant/acme/rate-minute";q=20;w=2' in headers["RateLimit-Policy"]
    assert '"tenant/acme/concurrency";q=4;qu="concurrent-requests"' in headers["RateLimit-Policy"]
    assert '"tenant/acme/count-year";q=50' in headers["RateLimit-Policy"]
    assert '"tenant/acme/concurrency";r=3' in headers["RateLimit"]


async def test_a_tenant_in_shadow_mode_is_told_what_would_have_refused_it_and_refused_nothing(
    tenant: Tenants, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    watched = tenant("watched")
    first, second = await watched.create(num_images=2), await watched.create()
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.headers["X-Gateway-Shadow-Refused"] == "models, guard-num_images, budget-total"
    assert second.headers["X-Gateway-Shadow-Refused"] == "models, budget-total, rate-minute"
    assert {line["mode"] for line in (await watched.usage()).values()} == {"shadow"}
    codes = ("model_not_allowed", "parameter_not_allowed", "budget_exceeded", "rate_exceeded")

    async def counted() -> bool:
        seen = await scrape(http, gateway)
        found = [seen.sum("gateway_shadow_refusals_total", tenant="watched", code=code) for code in codes]
        return found == [2, 1, 2, 1]

    await until(counted)


@pytest.mark.parametrize("path", ["/v1/prediction", "/v1/prediction/"])
@pytest.mark.parametrize("bearer", [False, True])
async def test_both_paths_and_both_forms_of_the_key_create(tenant: Tenants, path: str, bearer: bool) -> None:
    plain = tenant("plain")
    headers = {"Authorization": f"Bearer {plain.secret}"} if bearer else {}
    created = await plain.create(path=path, headers=headers)
    assert created.status_code == 200
    assert (await plain.settled(created.json()["predictionID"])).headers["X-Gateway-Cost-USD"] == "0.014"


async def test_the_addresses_in_a_polls_answer_point_at_the_gateway(tenant: Tenants, gateway: Gateway) -> None:
    prediction = await tenant("plain").created()
    urls = (await tenant("plain").poll(prediction)).json()["urls"]
    address = f"{gateway.url}/v1/prediction/{prediction}"
    assert urls == {"get": address, "cancel": f"{address}/cancel"}


async def test_the_request_id_of_a_client_goes_upstream_and_comes_back(tenant: Tenants, upstream: Upstream) -> None:
    created = await tenant("plain").create(headers={"X-Request-Id": "my-id-1"})
    assert created.headers.get_list("X-Request-Id") == ["my-id-1"]
    assert ("x-request-id", "my-id-1") in (await upstream.last())[0]
    made = (await tenant("plain").create()).headers["X-Request-Id"]
    assert ("x-request-id", made) in (await upstream.last())[0]


async def test_the_body_reaches_upstream_byte_for_byte(tenant: Tenants, upstream: Upstream) -> None:
    body = (
        b'{ "version":"0.0.1",\n"model":"flux-2-klein-4b-base-edit", "mystery": [1e4, 1.10, "\\u00e9\xc3\xa9"],'
        b'"input":{"image_urls":["https://example.com/a.png"],"prompt":"x","unheard_of":{"b":1,"a":2}} }\r\n'
    )
    answer = await tenant("plain").ask("POST", "/v1/prediction", content=body)
    assert answer.status_code == 200, answer.text
    assert (await upstream.last())[1] == body


async def test_a_prediction_that_nobody_polls_is_settled_within_ten_seconds_of_its_end(tenant: Tenants) -> None:
    idle = tenant("idle")
    reservation = (await idle.create()).headers["X-Gateway-Reservation"]

    async def settled() -> bool:
        return (await idle.reservation(reservation))["state"] == "settled"

    await until(settled, 0.3 + 10)
    assert await idle.spent() == (PRICE, 0)


async def test_a_cancelled_prediction_costs_nothing(tenant: Tenants) -> None:
    canceller = tenant("canceller")
    prediction = await canceller.created()
    cancelled = await canceller.ask("POST", f"/v1/prediction/{prediction}/cancel")
    assert (cancelled.status_code, cancelled.json()["predictionID"]) == (200, prediction)

    async def released() -> bool:
        return await canceller.spent() == (0, 0)

    await until(released)
    polled = await canceller.poll(prediction)
    assert (polled.json()["status"], Decimal(polled.headers["X-Gateway-Cost-USD"])) == ("cancelled", 0)


async def test_a_run_is_settled_in_its_own_answer(tenant: Tenants, upstream: Upstream) -> None:
    runner, billed = tenant("runner"), await upstream.billed()
    base = {"image_url": INPUT["image_urls"][0]}
    ran = await runner.create(path="/v1/prediction/run", model=REMOVER, base=base)
    assert (ran.status_code, ran.json()["status"]) == (200, "success")
    assert ran.headers["X-Gateway-Cost-USD"] == ran.headers["X-Gateway-Hold-USD"] == "0.017"
    assert await runner.spent() == (Decimal("0.017"), 0)
    assert await upstream.billed() - billed >= Decimal("0.017")
