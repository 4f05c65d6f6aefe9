"""Every refusal before anything is sent: its status, code and body, and that it changes nothing."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from e2e.clients import INPUT, Tenant, Tenants, Upstream, assert_refused, until, used
from e2e.policies import KLEIN, REMOVER, Policies, budget, limit
from e2e.programs import Gateway


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account(limits=[budget("0.50", "year", id="of-account")])
    policies.account("strict", concurrent=1)
    policies.fixed_price(REMOVER, "0.017")
    guards = [{"parameter": "num_images", "max": 2}, {"parameter": "output_format", "one_of": ["png"]}]
    policies.tenant("acme", budget("5.00", "year"), account="main", guards=guards, models=["flux-*", "mystery-*"])
    policies.tenant("money", budget("0.02", "day", id="daily"), budget("0.03"), account="main")
    policies.tenant("rate", budget("1"), limit("rate", per_minute=1, burst=1), account="main")
    policies.tenant("count", budget("1"), limit("count", window="year", max=1), account="main")
    policies.tenant("slots", budget("1"), limit("concurrency", max=1), account="main")
    policies.tenant("large", budget("9"), account="main")
    policies.tenant("busy", budget("1"), account="strict")
    policies.tenant("old", account="main", key={"expires": datetime(2020, 1, 1, tzinfo=UTC)})
    policies.tenant("gone", account="main", key={"revoked": True})
    return policies


@pytest.fixture(autouse=True)
async def nothing_changes(tenant: Tenants, upstream: Upstream, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Nothing arrives upstream and nothing of acme is held, whatever a test asks for."""
    unchanged = await used(tenant("acme"), upstream)
    yield
    if "full" not in request.fixturenames:
        await unchanged()


@pytest.fixture
async def full(tenant: Tenants) -> Callable[[str], Any]:
    """Make the first create of a tenant, which fills its limit; tests use each tenant once."""

    async def fill(name: str, **input: Any) -> Tenant:
        await tenant(name).created(**input)
        return tenant(name)

    return fill


async def test_every_key_that_opens_nothing_gets_one_answer_and_the_log_says_why(
    tenant: Tenants, gateway: Gateway
) -> None:
    acme = tenant("acme")
    both = {"X-API-Key": acme.secret, "Authorization": "Bearer another"}
    wrong: list[dict[str, str]] = [
        {"X-API-Key": ""},
        {"X-API-Key": acme.secret[:-1]},
        {"X-API-Key": tenant("old").secret},
        {"X-API-Key": tenant("gone").secret},
        {"Authorization": "Bearer elg_unknown"},
        {"Authorization": f"Basic {acme.secret}"},
        both,
    ]
    answers = [await acme.create(headers=headers) for headers in wrong]
    answers.append(await acme.http.post(acme.gateway.url + "/v1/prediction", json={"model": KLEIN, "input": INPUT}))
    bodies = [assert_refused(answer, 401, "invalid_key") for answer in answers]
    assert all(body == bodies[0] for body in bodies)
    ids = [answer.headers["X-Request-Id"] for answer in answers]

    async def logged() -> dict[str, dict[str, Any]] | None:
        found = {str(line["request_id"]): line for line in gateway.logged() if line.get("request_id") in ids}
        return found if len(found) == len(ids) else None

    lines = await until(logged)
    assert lines is not None
    assert [lines[each]["invalid_key"] for each in ids] == [
        *("missing", "mistyped", "expired", "revoked", "mistyped", "missing", "two keys that differ", "missing")
    ]
    assert (lines[ids[2]]["tenant"], lines[ids[2]]["key"]) == ("old", "web")


@pytest.mark.parametrize("path", ["/v1/prediction/x", "/gateway/usage", "/gateway/reservations/x", "/v1/executions"])
async def test_every_route_of_a_tenant_needs_its_key(tenant: Tenants, path: str) -> None:
    assert_refused(await tenant("acme").ask("GET", path, headers={"X-API-Key": "x"}), 401, "invalid_key")


@pytest.mark.parametrize("size", [2**20, 2**24])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_a_mebibyte_is_too_large_and_the_client_gets_to_read_so(
    tenant: Tenants, chunked: bool, size: int
) -> None:
    body = b'{"model":"' + b"x" * size + b'","input":{}}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    answer = await tenant("acme").ask("POST", "/v1/prediction", content=pieces() if chunked else body)
    assert_refused(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model":"m"}',
        b'{"input":{}}',
        b'{"model":1,"input":{}}',
        b'{"model":"m","input":[]}',
        b'{"model":"a","model":"b","input":{}}',
        b'{"model":"a","input":{"num_images":1,"num_images":4}}',
        b'{"model":"a","Model":"b","input":{}}',
        b'{"model":"\xff","input":{}}',
        b"[" * 100_000,
    ],
)
async def test_what_is_no_create_or_could_be_read_in_two_ways_is_invalid(tenant: Tenants, body: bytes) -> None:
    assert_refused(await tenant("acme").ask("POST", "/v1/prediction", content=body), 400, "invalid_json")


async def test_a_model_outside_the_tenants_list_is_not_allowed(tenant: Tenants) -> None:
    assert_refused(await tenant("acme").create(model=REMOVER), 403, "model_not_allowed")


async def test_a_model_without_a_price_is_refused(tenant: Tenants) -> None:
    assert_refused(await tenant("acme").create(model="mystery-1"), 403, "model_unpriced")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("num_images", 9), ("num_images", "two"), ("image_size", "huge"), ("image_urls", []), ("prompt", 5)],
)
async def test_input_against_the_schema_is_invalid_and_named(tenant: Tenants, parameter: str, value: object) -> None:
    body = assert_refused(await tenant("acme").create(**{parameter: value}), 400, "invalid_input")
    assert body["parameter"].startswith(parameter)


async def test_a_parameter_out_of_its_guard_is_not_allowed_and_told_with_its_bound(tenant: Tenants) -> None:
    body = assert_refused(await tenant("acme").create(num_images=3), 403, "parameter_not_allowed")
    assert (body["parameter"], body["value"], body["bound"]) == ("num_images", 3, "at most 2")
    assert_refused(await tenant("acme").create(output_format="webp"), 403, "parameter_not_allowed")


async def test_the_first_refusal_that_applies_is_told(tenant: Tenants) -> None:
    acme, wrong = tenant("acme"), {"X-API-Key": "x"}
    assert_refused(await acme.ask("POST", "/v1/prediction", content=b"{", headers=wrong), 401, "invalid_key")
    assert_refused(await acme.create(model=REMOVER, base={}), 403, "model_not_allowed")
    assert_refused(await acme.create(num_images=3, prompt=None), 400, "invalid_input")


async def test_a_passed_budget_is_402_with_every_violated_limit(full: Any, upstream: Upstream) -> None:
    money = await full("money")
    unchanged = await used(money, upstream)
    answer = await money.create(num_images=2)
    body = assert_refused(answer, 402, "budget_exceeded")
    daily, total = body["limits"]
    resets_at = daily.pop("resets_at")
    assert datetime.fromisoformat(resets_at) > datetime.now(UTC)
    assert daily == {
        "id": "daily",
        "scope": "tenant/money",
        "kind": "budget",
        "window": "day",
        "limit": "0.02",
        "used": "0.00",
        "held": "0.014",
        "requested": "0.028",
    }
    assert (total["id"], total["window"], total["resets_at"]) == ("budget-total", "total", None)
    await unchanged()


@pytest.mark.parametrize("name", ["rate", "count", "slots"])
async def test_a_passed_limit_on_creates_is_429_and_says_when_to_come_again(
    full: Any, upstream: Upstream, name: str
) -> None:
    code = {"slots": "concurrency"}.get(name, name)
    filled = await full(name)
    unchanged = await used(filled, upstream)
    answer = await filled.create()
    body = assert_refused(answer, 429, f"{code}_exceeded")
    (line,) = body["limits"]
    assert (line["scope"], line["kind"], line["limit"], line["used"]) == (f"tenant/{name}", code, 1, 1)
    assert (line["held"], line["requested"]) == (0, 1)
    assert int(answer.headers["Retry-After"]) >= 1
    if name == "rate":
        assert 50 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit-Policy"].startswith(f'"tenant/{name}/{line["id"]}";q=1')
    assert f'"tenant/{name}/{line["id"]}";r=0' in answer.headers["RateLimit"]
    await unchanged()


async def test_no_free_upstream_slot_is_429_upstream_busy(full: Any, upstream: Upstream) -> None:
    busy = await full("busy")
    unchanged = await used(busy, upstream)
    answer = await busy.create()
    assert_refused(answer, 429, "upstream_busy")
    assert int(answer.headers["Retry-After"]) >= 1
    await unchanged()


async def test_the_accounts_own_limit_refuses_without_telling_its_amounts(full: Any, upstream: Upstream) -> None:
    large = await full("large")
    while (answer := await large.create(num_images=4)).status_code == 200:
        continue
    (line,) = assert_refused(answer, 402, "budget_exceeded")["limits"]
    assert (line["id"], line["scope"], line["requested"]) == ("of-account", "account/main", "0.056")
    assert (line["limit"], line["used"], line["held"]) == (None, None, None)
    assert "0.5" not in answer.json()["message"]
    assert Decimal((await large.usage())["budget-total"]["held"]) < Decimal("0.50")
