"""Upstream calls the gateway when a prediction has ended: what ran is settled by it, and what was lost is found."""

import asyncio
import json
import os
import signal
from typing import Any

import httpx
import pytest

from benchmarks.programs import free_port
from e2e.clients import INPUT, PRICE, Tenant, Tenants, Upstream, assert_refused, scrape, until, used
from e2e.house import House
from e2e.policies import KLEIN, Policies, budget
from e2e.programs import Gateway, Sandbox


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    # Nothing but a webhook ends a prediction within the time of these tests.
    policies.account(create_timeout_seconds=5)
    policies.usual_run(600)
    for name in ("acme", "other", "third"):
        policies.tenant(name, budget("9.00"))
    return policies


@pytest.fixture(scope="module")
def gateway(house: House, policies: Policies, sandbox: Sandbox) -> Gateway:
    address = f"127.0.0.1:{free_port()}"
    return house.gateway(policies, sandbox, workers=2, listen=address, public_url=f"http://{address}/")


async def address_of_last(upstream: Upstream) -> str:
    """The address that the last create gave to upstream."""
    return json.loads((await upstream.last())[1])["webhook_url"]


async def settled(tenant: Tenant, reservation: str) -> dict[str, Any]:
    """Wait until a reservation is settled, without polling its prediction."""

    async def ask() -> dict[str, Any] | None:
        found = await tenant.reservation(reservation)
        return found if found["state"] == "settled" else None

    return await until(ask) or {}


async def taken(http: httpx.AsyncClient, address: str, body: dict[str, object]) -> None:
    """Call an address until the call is taken, as upstream does."""

    async def ask() -> bool:
        return (await http.post(address, json=body)).status_code == 200

    await until(ask)


def told(prediction: str) -> dict[str, object]:
    return {"exec_id": prediction, "status": "succeeded", "output": [], "error": ""}


@pytest.mark.parametrize(
    "hook", [{}, {"webhook_url": ""}, {"webhook_url": "https://t.example.com/", "webhook_secret": "q"}]
)
async def test_every_create_has_upstream_call_the_gateway_and_the_rest_goes_as_it_came(
    tenant: Tenants, upstream: Upstream, gateway: Gateway, hook: dict[str, str]
) -> None:
    raw = json.dumps({"model": KLEIN, **hook, "input": INPUT, "more": [1.50, None]}).replace("1.5", "1.50").encode()
    answer = await tenant("acme").ask("POST", "/v1/prediction", content=raw)
    assert answer.status_code == 200, answer.text
    sent = (await upstream.last())[1]
    address = await address_of_last(upstream)
    assert address.startswith(f"{gateway.url}/gateway/hooks/{answer.headers['X-Gateway-Reservation']}.")
    given = json.loads(sent)
    assert given == {"model": KLEIN, "input": INPUT, "more": [1.5, None], "webhook_url": address}
    assert b"[1.50, null]" in sent


async def test_a_call_settles_what_nobody_polls(
    tenant: Tenants, upstream: Upstream, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    answer = await tenant("acme").create()
    found = await settled(tenant("acme"), answer.headers["X-Gateway-Reservation"])
    assert (found["cost_usd"], found["settled_how"]) == ("0.014", "exact")
    repeat = await http.post(await address_of_last(upstream), json=told(answer.json()["predictionID"]))
    assert repeat.status_code == 200

    async def counted() -> bool:
        metrics = await scrape(http, gateway)
        name = "gateway_webhooks_received_total"
        return metrics.sum(name, result="settled") >= 1 and metrics.sum(name, result="known") >= 1

    await until(counted)


async def test_calls_that_come_any_number_of_times_settle_once(tenant: Tenants, upstream: Upstream) -> None:
    other, billed = tenant("other"), await upstream.billed()
    copies = [1, 2, 5, 3]
    await upstream.faults(webhooks=[f"copies:{number}" for number in copies])
    answers = await asyncio.gather(*(other.create() for _ in copies))
    for answer in answers:
        await settled(other, answer.headers["X-Gateway-Reservation"])
    assert await other.spent() == (PRICE * len(copies), 0)
    assert await upstream.billed() - billed == PRICE * len(copies)


async def test_a_call_before_the_creates_own_answer_is_no_harm(tenant: Tenants, upstream: Upstream) -> None:
    await upstream.faults(creates=["slow:1"])
    answer = await tenant("acme").create()
    assert answer.status_code == 200
    found = await settled(tenant("acme"), answer.headers["X-Gateway-Reservation"])
    assert (found["prediction_id"], found["cost_usd"]) == (answer.json()["predictionID"], "0.014")


async def test_equal_creates_of_two_tenants_whose_answers_were_lost_are_told_apart(
    tenant: Tenants, upstream: Upstream
) -> None:
    await upstream.faults(creates=["cut_before", "cut_after", "500_after"])
    doubts = []
    for name in ("third", "acme", "other"):  # the first is one that never ran
        answer = await tenant(name).create()
        assert_refused(answer, 504, "upstream_in_doubt")
        doubts.append((tenant(name), answer.headers["X-Gateway-Reservation"]))
    ran = [entry["id"] for entry in (await upstream.books())["creates"]][-2:]
    found = [(await settled(*doubt))["prediction_id"] for doubt in doubts[1:]]
    assert found == ran
    assert (await doubts[0][0].reservation(doubts[0][1]))["state"] == "in_doubt"
    for (owner, _), prediction in zip(doubts[1:], found, strict=True):
        assert (await owner.poll(prediction)).status_code == 200
    assert_refused(await doubts[0][0].poll(found[0]), 404, "not_found")


async def test_what_was_not_told_by_upstream_has_no_effect(
    tenant: Tenants, upstream: Upstream, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    acme = tenant("acme")
    await upstream.faults(webhooks=["lost", "lost"])
    mine, theirs = await acme.create(), await tenant("other").create()
    address, prediction = await address_of_last(upstream), mine.json()["predictionID"]
    token = address.rpartition("/")[2]
    unchanged = await used(acme, upstream)
    for wrong in (token[:-2] + "AA", f"{mine.headers['X-Gateway-Reservation']}.{token.partition('.')[2]}", "x"):
        answer = await http.post(f"{gateway.url}/gateway/hooks/{wrong}", json=told(prediction))
        assert_refused(answer, 404, "not_found")
    assert_refused(await http.post(address, json=told(prediction)), 404, "not_found")  # another's prediction
    assert_refused(await http.post(address, content=b"{"), 404, "not_found")
    assert_refused(await http.post(address, content=bytes(2**20 + 1)), 413, "body_too_large")
    assert (await http.get(address)).status_code == 403
    await unchanged()
    assert (await acme.reservation(mine.headers["X-Gateway-Reservation"]))["state"] == "running"
    await taken(http, address, told(theirs.json()["predictionID"]))


async def test_with_the_store_away_upstream_is_told_to_call_again(
    tenant: Tenants, upstream: Upstream, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    await upstream.faults(webhooks=["lost"])
    answer = await tenant("acme").create()
    address, body = await address_of_last(upstream), told(answer.json()["predictionID"])
    os.kill(gateway.store, signal.SIGSTOP)
    try:
        assert_refused(await http.post(address, json=body), 503, "ledger_unavailable")
    finally:
        os.kill(gateway.store, signal.SIGCONT)
    await taken(http, address, body)
    found = await tenant("acme").reservation(answer.headers["X-Gateway-Reservation"])
    assert (found["state"], found["cost_usd"]) == ("settled", "0.014")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://localhost/", "https://169.254.169.254/", "file:///etc"]
)
async def test_an_address_inside_the_network_is_refused_before_anything_is_held(
    tenant: Tenants, upstream: Upstream, url: str
) -> None:
    unchanged = await used(tenant("third"), upstream)
    body = {"model": KLEIN, "input": INPUT, "webhook_url": url}
    answer = await tenant("third").ask("POST", "/v1/prediction", json=body)
    refused = assert_refused(answer, 400, "invalid_input")
    assert refused["parameter"] == "webhook_url"
    await unchanged()


async def test_no_address_and_no_secret_of_a_webhook_is_in_the_log(tenant: Tenants, gateway: Gateway) -> None:
    hook = {"webhook_url": "https://tenant.example.com/private-path", "webhook_secret": "qS3cretOfTheTenant"}
    headers = {"X-Request-Id": "find-me"}
    body = {"model": KLEIN, "input": INPUT, **hook}
    answer = await tenant("acme").ask("POST", "/v1/prediction", json=body, headers=headers)
    await settled(tenant("acme"), answer.headers["X-Gateway-Reservation"])

    async def logged() -> bool:
        return any(line.get("request_id") == "find-me" for line in gateway.logged())

    await until(logged)
    assert "qS3cretOfTheTenant" not in gateway.said()
    assert "private-path" not in gateway.said()
