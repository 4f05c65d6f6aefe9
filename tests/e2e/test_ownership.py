"""Whose prediction is whose: another tenant's answers exactly as one that never was."""

import pytest

from e2e.clients import Tenants, Upstream, assert_refused

UNKNOWN = "0b1f3c1e-0000-4000-8000-000000000000"


ROUTES = [
    ("GET", "/v1/prediction/{}"),
    ("POST", "/v1/prediction/{}/cancel"),
    ("GET", "/gateway/reservations/{}"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("stranger", ["other", "child", "abroad"])
async def test_a_stranger_is_told_of_it_what_one_is_told_of_nothing(
    tenant: Tenants, upstream: Upstream, method: str, path: str, stranger: str
) -> None:
    created = await tenant("acme").create()
    id_ = created.json()["predictionID"]
    if "reservations" in path:
        id_ = created.headers["X-Gateway-Reservation"]
    polls = (await upstream.books())["totals"]["polls"]
    foreign = await tenant(stranger).ask(method, path.format(id_))
    unknown = await tenant(stranger).ask(method, path.format(UNKNOWN))
    assert_refused(foreign, 404, "not_found")
    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    assert foreign.headers.keys() == unknown.headers.keys()
    assert (await upstream.books())["totals"]["polls"] == polls
    (entry,) = [
        entry for entry in (await upstream.books())["creates"] if entry["id"] == created.json()["predictionID"]
    ]
    assert entry["status"] != "cancelled"


async def test_a_prediction_that_upstream_knows_and_the_gateway_did_not_create_is_unknown(
    tenant: Tenants, upstream: Upstream
) -> None:
    body = {"model": "nano-banana", "input": {"prompt": "x"}}
    created = await upstream.http.post(
        f"{upstream.sandbox.url}/v1/prediction", json=body, headers={"X-API-Key": "upstream-secret-of-the-operator"}
    )
    assert created.status_code == 200
    assert_refused(await tenant("acme").poll(created.json()["predictionID"]), 404, "not_found")


@pytest.mark.parametrize("id_", ["a%2F..%2Fb", "..", "%00", "x" * 500, "a b", "%2e%2e%2fmodels", "*"])
async def test_an_id_that_is_no_plain_word_is_unknown_and_is_not_sent(
    tenant: Tenants, upstream: Upstream, id_: str
) -> None:
    polls = (await upstream.books())["totals"]["polls"]
    answer = await tenant("acme").ask("GET", f"/v1/prediction/{id_}")
    assert answer.status_code in (403, 404)
    assert (await upstream.books())["totals"]["polls"] == polls


async def test_the_list_of_executions_is_each_tenants_own(tenant: Tenants) -> None:
    mine = await tenant("acme").created()
    child = await tenant("child").created()
    listed = {name: {row["id"] for row in await tenant(name).executions()} for name in ("acme", "child", "abroad")}
    assert mine in listed["acme"]
    assert child in listed["child"]
    assert not listed["acme"] & listed["child"]
    assert listed["abroad"] == set()


async def test_a_tenant_sees_its_parents_amounts_and_never_the_accounts(tenant: Tenants) -> None:
    answer = await tenant("child").ask("GET", "/gateway/usage")
    assert [line["scope"] for line in answer.json()["limits"]] == ["tenant/child", "tenant/acme"]
