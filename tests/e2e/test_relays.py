"""Routes that cost nothing: passed on as they are, and nothing besides."""

import pytest

from e2e.clients import Tenants, Upstream, assert_refused, used
from e2e.policies import KLEIN

PRESIGN = {"content_type": "image/png", "file_type": "image"}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models?name=klein&limit=1&offset=0",
        f"/v1/model?slug={KLEIN}",
        "/v1/model?slug=nothing",
        "/v1/model",
        f"/v1/models/{KLEIN}/schemas/openapi",
        "/v1/llm-router/model-catalog",
    ],
)
async def test_a_catalogue_route_answers_as_upstream_does(tenant: Tenants, upstream: Upstream, path: str) -> None:
    through = await tenant("acme").ask("GET", path)
    direct = await upstream.http.get(upstream.sandbox.url + path)
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    assert through.headers["Content-Type"] == direct.headers["Content-Type"]


async def test_a_catalogue_route_needs_a_key(tenant: Tenants) -> None:
    assert_refused(await tenant("acme").ask("GET", "/v1/models", headers={"X-API-Key": "x"}), 401, "invalid_key")


async def test_only_the_tenant_that_presigned_a_file_deletes_it(tenant: Tenants) -> None:
    presigned = await tenant("acme").ask("POST", "/v1/upload/presign", json=PRESIGN)
    assert presigned.status_code == 200
    assert presigned.json().keys() >= {"presigned_url", "public_url", "required_headers"}
    path = f"/v1/files/{presigned.json()['id']}"
    strange = await tenant("other").ask("DELETE", path)
    unknown = await tenant("other").ask("DELETE", "/v1/files/7e2f7d2c-0000-4000-8000-000000000000")
    assert_refused(strange, 404, "not_found")
    assert (strange.status_code, strange.content) == (unknown.status_code, unknown.content)
    deleted = await tenant("acme").ask("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/prediction"),
        ("PUT", "/v1/prediction"),
        ("POST", "/v1/prediction/some-id"),
        ("DELETE", "/v1/prediction/some-id"),
        ("POST", "/v1/workflows/any/trigger"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/audio/transcriptions/"),
        ("POST", "/v1/audio/translations"),
        ("POST", "/v1/workflows/bulk-trigger/wf/v1"),
        ("GET", "/v1/webhooks"),
        ("GET", "/sandbox/books"),
        ("POST", "/V1/PREDICTION"),
        ("POST", "/v1//prediction"),
        ("POST", "/v1/prediction/run/"),
        ("GET", "/gateway"),
    ],
)
async def test_a_route_that_is_not_named_is_not_passed_on(
    tenant: Tenants, upstream: Upstream, method: str, path: str
) -> None:
    unchanged = await used(tenant("acme"), upstream)
    body = {"model": KLEIN, "input": {"prompt": "x", "image_urls": ["https://example.com/a.png"]}}
    answer = await tenant("acme").ask(method, path, json=body if method == "POST" else None)
    assert_refused(answer, 403, "route_not_allowed")
    await unchanged()


async def test_a_quote_prices_by_the_same_numbers_and_holds_nothing(tenant: Tenants, upstream: Upstream) -> None:
    unchanged = await used(tenant("acme"), upstream)
    body = {"model": KLEIN, "input": {"prompt": "x", "image_urls": ["https://example.com/a.png"], "num_images": 2}}
    answer = await tenant("acme").ask("POST", "/gateway/quote", json=body)
    quote = answer.json()
    assert (quote["model"], quote["estimate_usd"], quote["hold_usd"]) == (KLEIN, "0.028", "0.034")
    assert quote["admission"] == {"would_admit": True, "refused_by": []}
    assert quote.keys() >= {"price_version", "lines", "assumptions"}
    await unchanged()
    created = await tenant("acme").ask("POST", "/v1/prediction", json=body)
    assert created.headers["X-Gateway-Estimate-USD"] == "0.028"
    assert created.headers["X-Gateway-Hold-USD"] == "0.034"


async def test_a_quote_tells_which_limit_would_refuse(tenant: Tenants) -> None:
    body = {"model": KLEIN, "input": {"prompt": "x", "image_urls": ["https://example.com/a.png"], "num_images": 4}}
    await tenant("poor").created(num_images=4)
    admission = (await tenant("poor").ask("POST", "/gateway/quote", json=body)).json()["admission"]
    assert admission["would_admit"] is False
    assert [line["id"] for line in admission["refused_by"]] == ["budget-total"]
