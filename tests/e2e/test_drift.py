"""Drift: an upstream with another price than the book's is found, and the field that tells them apart is named."""

import json
from decimal import Decimal

import httpx
import pytest

from e2e.clients import Metrics, Tenants, Upstream, scrape, until
from e2e.policies import KLEIN, Policies, budget
from e2e.programs import Gateway

#: What tells a megapixel's size from the amounts: both sizes of image, one and two of them.
REQUESTS = [{"image_size": size, "num_images": n} for size in ("square_hd", "square") for n in (1, 2)]


@pytest.fixture(scope="module")
def policies() -> Policies:
    """A book that has the larger megapixel; the sandbox bills by the smaller one."""
    policies = Policies()
    policies.model = policies.model.replace("megapixel_pixels = 1_000_000", "megapixel_pixels = 1_048_576")
    policies.account()
    policies.tenant("acme", budget("5.00"))
    policies.fixed_price("eachlabs-bg-remover-v1", "0.017")
    return policies


def drift(gateway: Gateway, *words: str) -> str:
    return gateway.command("prices", "drift", *words)


async def test_the_field_of_the_price_that_upstream_has_otherwise_is_named(
    gateway: Gateway, tenant: Tenants, upstream: Upstream, http: httpx.AsyncClient
) -> None:
    acme = tenant("acme")
    for request in REQUESTS:
        await acme.settled(await acme.created(**request))
    await acme.settled(
        await acme.created(model="eachlabs-bg-remover-v1", base={}, image_url="https://example.com/a.png")
    )
    await upstream.faults(costs=["fail"])
    await acme.settled(await acme.created(image_size="square"))

    remover, klein = sorted(json.loads(drift(gateway, "--json")), key=lambda row: row["model"])
    assert (klein["model"], klein["predictions"]) == (KLEIN, len(REQUESTS))
    assert (klein["estimated_usd"], klein["billed_usd"], klein["ratio"]) == ("0.084", "0.087", "1.0357")
    assert (klein["repriced"], klein["right"]) == (4, 2)
    assert klein["explanations"] == [
        {"field": "price.megapixel_pixels", "now": "1048576", "then": "1000000", "explained": 4}
    ]
    assert (remover["ratio"], remover["explained_by"], remover["predictions"]) == ("1.0000", "", 1)
    table = drift(gateway)
    assert "price.megapixel_pixels 1048576 → 1000000 (4 of 4)" in table
    assert await upstream.billed() == Decimal(klein["billed_usd"]) + Decimal(remover["billed_usd"])

    async def counted() -> Metrics | None:
        found = await scrape(http, gateway)
        return found if found.sum("gateway_billed_total", model=KLEIN) == len(REQUESTS) else None

    metrics = await until(counted)
    assert metrics is not None
    assert metrics.sum("gateway_billed_total", model=KLEIN, against="above") == 2
    assert metrics.sum("gateway_billed_total", model=KLEIN, against="equal") == 2
    assert metrics.sum("gateway_billed_usd_total", model=KLEIN) == pytest.approx(0.087)
    assert metrics.sum("gateway_billed_estimate_usd_total", model=KLEIN) == pytest.approx(0.084)
