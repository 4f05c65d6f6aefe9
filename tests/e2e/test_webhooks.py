"""Tenants get their webhooks through the gateway: upstream's own bytes, signed, once settled, also after a kill."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from benchmarks.programs import free_port
from e2e.clients import INPUT, PRICE, Tenant, Tenants, Upstream, scrape, until
from e2e.house import House
from e2e.policies import KLEIN, Policies, budget
from e2e.programs import Gateway, Sandbox
from e2e.receiver import Receiver, receiving

PORT = free_port()


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.usual_run(600)
    for name in ("acme", "other"):
        policies.tenant(name, budget("9.00"))
    return policies


@pytest.fixture(scope="module")
def gateway(house: House, policies: Policies, sandbox: Sandbox) -> Gateway:
    address = f"127.0.0.1:{free_port()}"
    more = {"listen": address, "public_url": f"http://{address}", "private_destinations": f"127.0.0.1:{PORT}"}
    return house.gateway(policies, sandbox, workers=2, **more)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(PORT) as receiver:
        yield receiver


async def created(tenant: Tenant, url: str, **more: str) -> str:
    body = {"model": KLEIN, "input": INPUT, "webhook_url": url, "webhook_secret": "qS3cret", **more}
    answer = await tenant.ask("POST", "/v1/prediction", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictionID"]


async def command(gateway: Gateway, *words: str, status: int = 0) -> str:
    """Run `gateway webhooks` beside the running gateway."""
    return await asyncio.to_thread(gateway.command, "webhooks", *words, status=status)


async def listed(gateway: Gateway) -> list[dict[str, Any]]:
    return json.loads(await command(gateway, "--json"))


async def none_waits(http: httpx.AsyncClient, gateway: Gateway) -> bool:
    """Tell whether everything is delivered or given up."""
    return (await scrape(http, gateway)).sum("gateway_webhooks", state="undelivered") == 0


async def test_a_tenant_gets_upstreams_bytes_after_the_settlement_and_can_verify_them(
    tenant: Tenants, upstream: Upstream, gateway: Gateway, receiver: Receiver, http: httpx.AsyncClient
) -> None:
    acme, other = tenant("acme"), tenant("other")
    prediction, theirs = (
        await created(acme, receiver.url()),
        await created(other, receiver.url(), webhook_secret="zS3cret"),
    )
    head, body = await receiver.first(prediction)
    sent = await http.get(f"{upstream.sandbox.url}/v1/webhooks/{prediction}", headers={"X-API-Key": "k"})
    assert body == sent.json()["request"].encode()
    assert (head["x-webhook-secret"], head["content-type"]) == ("qS3cret", "application/json")
    assert (await receiver.first(theirs))[0]["x-webhook-secret"] == "zS3cret"
    (execution,) = await acme.executions()
    assert (execution["id"], execution["status"]) == (prediction, "success")
    assert await acme.spent() == (PRICE, 0)
    secret = (await command(gateway, "secret", "acme")).strip()
    assert Webhook(secret).verify(body, head)["exec_id"] == prediction
    assert head["webhook-id"].startswith("res_")
    assert "S3cret" not in gateway.said()


@pytest.mark.parametrize("fault", ["copies:5", "duplicate", "ok"])
async def test_however_often_upstream_calls_the_tenant_is_told_once(
    tenant: Tenants, upstream: Upstream, gateway: Gateway, receiver: Receiver, http: httpx.AsyncClient, fault: str
) -> None:
    await upstream.faults(webhooks=[fault])
    prediction = await created(tenant("acme"), receiver.url())
    await receiver.first(prediction)
    last = await created(tenant("acme"), receiver.url())
    await receiver.first(last)
    assert len(receiver.of(prediction)) == len(receiver.of(last)) == 1
    await until(lambda: none_waits(http, gateway))


async def test_nobody_is_told_of_a_cancel_and_a_failure_is_told_as_one(
    tenant: Tenants, upstream: Upstream, gateway: Gateway, receiver: Receiver, http: httpx.AsyncClient
) -> None:
    acme = tenant("acme")
    cancelled = await created(acme, receiver.url())
    assert (await acme.ask("POST", f"/v1/prediction/{cancelled}/cancel")).status_code == 200
    await upstream.faults(costs=["fail"])
    failed = await created(acme, receiver.url())
    assert json.loads((await receiver.first(failed))[1])["status"] == "failed"
    assert receiver.of(cancelled) == []
    await until(lambda: none_waits(http, gateway))


async def test_a_kill_between_upstreams_call_and_the_delivery_loses_no_webhook(
    house: House, policies: Policies, http: httpx.AsyncClient
) -> None:
    """The tenant's endpoint is down until the gateway was killed and has come back."""
    port, sandbox, address = free_port(), house.sandbox(), f"127.0.0.1:{free_port()}"
    more = {"listen": address, "public_url": f"http://{address}", "private_destinations": f"127.0.0.1:{port}"}
    gateway = house.gateway(policies, sandbox, workers=2, **more)
    acme = Tenant(http, gateway, gateway.secrets["acme"])
    predictions = [await created(acme, f"http://127.0.0.1:{port}/hook") for _ in range(3)]

    async def tried() -> bool:
        return (await scrape(http, gateway)).sum("gateway_webhook_deliveries_total", result="failed") >= 3

    await until(tried, 20)
    rows = await listed(gateway)
    assert [row["state"] for row in rows] == ["undelivered"] * 3
    for pid in [*gateway.family(), gateway.process.pid]:
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait()
    gateway = house.keep(gateway.again())
    async with receiving(port) as receiver:
        got = [await receiver.first(prediction) for prediction in predictions]
    assert {head["webhook-id"] for head, _ in got} == {row["id"] for row in rows}
    await until(lambda: none_waits(http, gateway))
    secret = (await command(gateway, "secret", "acme")).strip()
    for head, body in got:
        Webhook(secret).verify(body, head)


async def test_what_was_given_up_is_listed_counted_and_delivered_again_on_demand(
    tenant: Tenants, gateway: Gateway, receiver: Receiver, http: httpx.AsyncClient
) -> None:
    receiver.answers["/gone?token=1"] = 410
    prediction = await created(tenant("other"), receiver.url("/gone?token=1"))
    head, _ = await receiver.first(prediction)

    async def counted() -> bool:
        metrics = await scrape(http, gateway)
        labels = {"tenant": "other", "result": "dead"}
        return (
            metrics.sum("gateway_webhook_deliveries_total", **labels) == 1
            and metrics.sum("gateway_webhooks", state="dead") == 1
            and metrics.sum("gateway_oldest_webhook_seconds") == 0
        )

    await until(counted)
    (row,) = await listed(gateway)
    told = (row["id"], row["state"], row["tenant"], row["tries"], row["reason"], row["url"])
    assert told == (head["webhook-id"], "dead", "other", 1, "answered 410 Gone", receiver.url("/gone"))
    receiver.answers.clear()
    assert row["id"] in await command(gateway, "retry", row["id"])

    async def again() -> bool:
        return len(receiver.of(prediction)) == 2

    await until(again)
    assert receiver.of(prediction)[1][0]["webhook-id"] == row["id"]
    await command(gateway, "retry", row["id"], status=1)
