"""What must not cross the gateway: keys in either direction, headers of one hop, and secrets into the log."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from e2e.clients import Tenants, Upstream, until
from e2e.programs import UPSTREAM_SECRET, Gateway

HOP_BY_HOP = {
    "Connection": "keep-alive, X-For-This-Hop",
    "X-For-This-Hop": "1",
    "Keep-Alive": "timeout=5",
    "Proxy-Authorization": "Basic abc",
    "TE": "trailers",
    "Trailer": "Expires",
    "Cookie": "session=1",
    "Idempotency-Key": "one",
}


@pytest.mark.parametrize("bearer", [False, True])
async def test_upstream_sees_the_operators_key_and_never_the_tenants(
    tenant: Tenants, upstream: Upstream, bearer: bool
) -> None:
    acme = tenant("acme")
    headers = {"Authorization": f"Bearer {acme.secret}"} if bearer else {}
    assert (await acme.create(headers=headers)).status_code == 200
    sent, body = await upstream.last()
    assert [value for name, value in sent if name == "x-api-key"] == [UPSTREAM_SECRET]
    assert all(acme.secret not in value and name != "authorization" for name, value in sent)
    assert acme.secret.encode() not in body


async def test_upstreams_key_never_reaches_a_client(tenant: Tenants, upstream: Upstream) -> None:
    acme = tenant("acme")
    await upstream.faults(creates=["400", "401", "402", "403", "429", "500_before"])
    answers = [await acme.create() for _ in range(7)]
    answers.append(await acme.poll(answers[-1].json()["predictionID"]))
    answers += [
        await acme.ask("GET", path) for path in ("/v1/models", "/v1/executions", "/gateway/usage", "/nowhere")
    ]
    for answer in answers:
        assert UPSTREAM_SECRET not in answer.text
        assert UPSTREAM_SECRET not in str(answer.headers)


async def test_no_key_is_in_the_log_nor_in_a_command(tenant: Tenants, gateway: Gateway) -> None:
    acme = tenant("acme")
    prediction = await acme.created(headers={"X-Request-Id": "find-me"})
    await acme.ask("GET", "/v1/models", headers={"X-API-Key": "elg_wrong_key_of_somebody"})

    async def logged() -> bool:
        return any(line.get("request_id") == "find-me" for line in gateway.logged())

    await until(logged)
    line = next(line for line in gateway.logged() if line.get("request_id") == "find-me")
    assert (line["tenant"], line["key"], line["status"], line["prediction"]) == ("acme", "web", 200, prediction)
    for secret in (acme.secret, UPSTREAM_SECRET, "elg_wrong_key_of_somebody"):
        assert secret not in gateway.said()
        assert gateway.family(secret) == []


async def test_the_log_tells_nothing_of_what_was_asked_for(tenant: Tenants, gateway: Gateway) -> None:
    await tenant("acme").create(prompt="a-private-matter", num_inference_steps=1000)
    await tenant("acme").create(prompt="a-private-matter", image_urls=["https://example.com/private.png"])
    assert "private" not in gateway.said()


async def test_headers_of_one_hop_stay_on_it_and_others_travel(tenant: Tenants, upstream: Upstream) -> None:
    more = {"Accept-Language": "de", "X-Mine": "yes"}
    answer = await tenant("acme").create(headers=HOP_BY_HOP | more)
    assert answer.status_code == 200
    sent = dict((await upstream.last())[0])
    gone = {name.lower() for name in HOP_BY_HOP} - {"connection"}
    assert gone & sent.keys() == set()
    assert "x-for-this-hop" not in sent.get("connection", "")
    assert (sent["accept-language"], sent["x-mine"]) == ("de", "yes")


async def test_a_client_that_hangs_up_has_its_create_recorded_all_the_same(
    tenant: Tenants, upstream: Upstream, gateway: Gateway
) -> None:
    acme = tenant("acme")
    used, _ = await acme.spent()
    await upstream.faults(creates=["slow:0.5"])
    arrived = await upstream.arrived()
    request = acme.http.build_request("POST", "http://gateway/v1/prediction")
    body = b'{"model":"flux-2-klein-4b-base-edit","input":{"prompt":"x","image_urls":["https://example.com/a.png"]}}'
    head = f"POST {request.url.path} HTTP/1.1\r\nHost: g\r\nX-API-Key: {acme.secret}\r\nContent-Length: {len(body)}"
    parts = urlsplit(gateway.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port, family=socket.AF_INET)
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await writer.drain()

    async def sent() -> bool:
        return await upstream.arrived() == arrived + 1

    await until(sent)
    writer.transport.abort()
    known = len(await acme.executions())

    async def recorded() -> bool:
        return len(await acme.executions()) == known + 1

    await until(recorded)
    await acme.settled((await acme.executions())[0]["id"])
    assert await acme.spent() > (used, 0)


async def test_a_key_that_a_client_writes_where_none_belongs_is_not_in_the_log(
    tenant: Tenants, gateway: Gateway
) -> None:
    acme = tenant("acme")
    await acme.ask("GET", f"/v1/prediction/{acme.secret}", headers={"X-Request-Id": acme.secret})

    async def logged() -> bool:
        return "elg_***" in gateway.said()

    assert await until(logged, 5)
    assert acme.secret not in gateway.said()
