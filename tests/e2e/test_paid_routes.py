"""Chat, speech and workflows through the gateway, by the openai SDK where it has the route."""

import json
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest

from e2e.clients import Tenants, Upstream, assert_refused, bill, quiet, scrape, until, used
from e2e.policies import BOOK, Policies, budget, limit
from e2e.programs import Gateway

CHAT = "openai/gpt-5.1"
VOICE = """
[[model]]
slug = "deepgram/aura-2"
route = "speech"
price_version = "1"
[model.quantity.characters]
kind = "characters"
parameter = "input"
[model.price]
kind = "per_unit"
quantity = "characters"
per = 1000
usd = "0.03"
[model.input.input]
type = "string"
required = true
"""
WORKFLOW = """
[[model]]
slug = "workflow/wf_caption"
route = "workflow"
price_version = "1"
[model.price]
kind = "fixed"
usd = "0.10"
"""
MESSAGES: Any = [{"role": "user", "content": "Say hello in as many words as you like."}]
BODY = {"model": CHAT, "messages": MESSAGES, "max_tokens": 30}
SPEECH = {"model": "deepgram/aura-2", "input": "Hello there", "voice": "a"}
TRIGGER = "/v1/workflows/trigger/wf_caption/v1"


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.tenant("acme", budget("900.00"))
    policies.tenant("poor", budget("0.01"), limit("rate", per_minute=6000, burst=100))
    policies.tenant("listed", models=["flux-*"])
    policies.tenant("guarded", guards=[{"parameter": "max_tokens", "max": 10}])
    policies.model = "\n".join(
        [policies.model, (BOOK / "openai" / "gpt-5.1.toml").read_text("utf-8"), VOICE, WORKFLOW]
    )
    return policies


async def test_the_sdk_chats_and_is_charged_what_upstream_bills(
    sdk: openai.AsyncOpenAI, tenant: Tenants, upstream: Upstream
) -> None:
    acme = tenant("acme")
    before = await quiet(acme)
    raw = await sdk.chat.completions.with_raw_response.create(model=CHAT, messages=MESSAGES, max_tokens=30)
    completion = raw.parse()
    assert (completion.choices[0].message.content or "").startswith("word0")
    assert completion.usage is not None
    cost = Decimal((await bill(upstream))["cost"])
    assert Decimal(raw.headers["X-Gateway-Cost-USD"]) == cost > 0
    assert await acme.spent() == (before + cost, 0)
    reservation = await acme.reservation(raw.headers["X-Gateway-Reservation"])
    assert (reservation["state"], reservation["settled_how"], reservation["model"]) == ("settled", "metered", CHAT)
    # 0.50 for a whole context, and 30 tokens of the answer.
    assert raw.headers["X-Gateway-Hold-USD"] == "0.5003"


@pytest.mark.parametrize("asks", [False, True])
async def test_the_sdk_streams_and_sees_the_usage_only_if_it_asked(
    sdk: openai.AsyncOpenAI, tenant: Tenants, upstream: Upstream, asks: bool
) -> None:
    acme = tenant("acme")
    before = await quiet(acme)
    options: Any = {"stream_options": {"include_usage": True}} if asks else {}
    stream = await sdk.chat.completions.create(model=CHAT, messages=MESSAGES, max_tokens=30, stream=True, **options)
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.startswith("word0")
    assert [bool(chunk.usage) for chunk in chunks if chunk.usage or not chunk.choices] == [True] * asks
    cost = Decimal((await bill(upstream))["cost"])
    assert await quiet(acme) == before + cost
    _, sent = await upstream.last()
    assert json.loads(sent) == {**BODY, "stream": True, "stream_options": {"include_usage": True}}


async def test_a_stream_passes_event_by_event(tenant: Tenants, http: httpx.AsyncClient, gateway: Gateway) -> None:
    headers = {"X-API-Key": gateway.secrets["acme"]}
    url = f"{gateway.url}/v1/chat/completions"
    async with http.stream("POST", url, headers=headers, json={**BODY, "stream": True}) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Gateway-Reservation"]
        pieces = [piece async for piece in answer.aiter_raw()]
    assert len(pieces) > 2  # and not one at the end
    whole = b"".join(pieces)
    assert whole.endswith(b"data: [DONE]\n\n")
    assert b"usage" not in whole


async def test_the_sdk_speaks_and_the_cost_is_that_of_the_execution(
    sdk: openai.AsyncOpenAI, tenant: Tenants, upstream: Upstream
) -> None:
    acme = tenant("acme")
    before = await quiet(acme)
    await upstream.faults(costs=["0.0007"])
    async with sdk.audio.speech.with_streaming_response.create(
        model="deepgram/aura-2", input="Hello there", voice="a"
    ) as answer:
        sound = await answer.read()
        execution = answer.headers["X-Execution-ID"]
    assert len(sound) == 8000
    assert (await bill(upstream))["id"] == execution
    assert await quiet(acme) == before + Decimal("0.0007")


async def test_speech_that_upstream_cuts_is_charged_by_the_execution_that_it_named(
    tenant: Tenants, upstream: Upstream
) -> None:
    acme = tenant("acme")
    before = await quiet(acme)
    await upstream.faults(creates=["mid_answer"])
    with pytest.raises(httpx.RemoteProtocolError):
        await acme.ask("POST", "/v1/audio/speech", json=SPEECH)
    assert await quiet(acme) == before + Decimal((await bill(upstream))["cost"])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_repeat_with_the_same_key_gets_the_first_answer_and_spends_nothing(
    tenant: Tenants, upstream: Upstream, stream: bool
) -> None:
    acme = tenant("acme")
    ask: dict[str, Any] = {"headers": {"Idempotency-Key": f"chat-{stream}"}, "json": {**BODY, "stream": stream}}
    first = await acme.ask("POST", "/v1/chat/completions", **ask)
    spent, arrived = await quiet(acme), await upstream.arrived()
    again = await acme.ask("POST", "/v1/chat/completions", **ask)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (200, first.content)
    assert again.headers["Content-Type"].split(";")[0] == first.headers["Content-Type"].split(";")[0]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await quiet(acme), await upstream.arrived()) == (spent, arrived)
    assert_refused(
        await acme.ask("POST", "/v1/chat/completions", headers=ask["headers"], json={**BODY, "max_tokens": 9}),
        422,
        "idempotency_mismatch",
    )


async def test_a_repeat_of_a_sound_is_told_that_it_is_not_kept(tenant: Tenants, upstream: Upstream) -> None:
    acme = tenant("acme")
    headers = {"Idempotency-Key": "sound"}
    assert (await acme.ask("POST", "/v1/audio/speech", headers=headers, json=SPEECH)).status_code == 200
    arrived = await upstream.arrived()
    assert_refused(
        await acme.ask("POST", "/v1/audio/speech", headers=headers, json=SPEECH), 409, "idempotency_not_kept"
    )
    assert await upstream.arrived() == arrived


@pytest.mark.parametrize(
    ("name", "path", "body", "status", "code"),
    [
        ("acme", "/v1/chat/completions", {**BODY, "model": "openai/gpt-9"}, 403, "model_unpriced"),
        ("acme", "/v1/audio/speech", {**SPEECH, "model": CHAT}, 403, "model_unpriced"),
        ("acme", "/v1/chat/completions", {**BODY, "model": "flux-2-klein-4b-base-edit"}, 403, "model_unpriced"),
        ("acme", "/v1/prediction", {"model": CHAT, "input": {"messages": MESSAGES}}, 403, "model_unpriced"),
        ("acme", "/v1/workflows/trigger/wf_video/v1", {"inputs": {}}, 403, "model_unpriced"),
        ("acme", "/v1/workflows/trigger/wf_caption%2F../v1", {}, 403, "route_not_allowed"),
        ("acme", "/v1/workflows/bulk-trigger/wf_caption/v1", {"inputs": [{}]}, 403, "route_not_allowed"),
        ("acme", "/v1/audio/translations", {}, 403, "route_not_allowed"),
        ("acme", "/v1/chat/completions", {**BODY, "n": 2}, 400, "invalid_input"),
        ("acme", "/v1/chat/completions", {**BODY, "max_completion_tokens": 2}, 400, "invalid_json"),
        ("acme", "/v1/chat/completions", {**BODY, "stream": "yes"}, 400, "invalid_json"),
        ("acme", "/v1/chat/completions", {**BODY, "Max_Tokens": 2}, 400, "invalid_json"),
        ("poor", "/v1/chat/completions", BODY, 402, "budget_exceeded"),
        ("poor", TRIGGER, {"inputs": {}}, 402, "budget_exceeded"),
        ("listed", "/v1/chat/completions", BODY, 403, "model_not_allowed"),
        ("listed", TRIGGER, {}, 403, "model_not_allowed"),
        ("guarded", "/v1/chat/completions", BODY, 403, "parameter_not_allowed"),
    ],
)
async def test_what_is_refused_sends_and_holds_nothing(
    tenant: Tenants, upstream: Upstream, name: str, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    client = tenant(name)
    unchanged = await used(client, upstream)
    assert_refused(await client.ask("POST", path, json=body), status, code)
    await unchanged()


async def test_the_sdk_raises_what_the_gateway_refuses(gateway: Gateway, http: httpx.AsyncClient) -> None:
    poor = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.secrets["poor"], http_client=http)
    with pytest.raises(openai.APIStatusError) as refused:
        await poor.chat.completions.create(model=CHAT, messages=MESSAGES)
    assert_refused(refused.value.response, 402, "budget_exceeded")


@pytest.mark.parametrize(("fault", "status", "code"), [("400", 400, None), ("429", 429, "upstream_busy")])
async def test_what_upstream_refuses_is_given_back(
    tenant: Tenants, upstream: Upstream, fault: str, status: int, code: str | None
) -> None:
    acme = tenant("acme")
    before = await quiet(acme)
    await upstream.faults(creates=[fault])
    answer = await acme.ask("POST", "/v1/chat/completions", json=BODY)
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert await acme.spent() == (before, 0)


def saying(text: str, **more: Any) -> dict[str, Any]:
    return {**BODY, "messages": [{"role": "user", "content": text}], **more}


async def test_what_is_in_doubt_is_charged_at_what_its_own_execution_cost(
    tenant: Tenants, upstream: Upstream, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    acme = tenant("acme")
    before, billed, ran = await quiet(acme), await upstream.billed(), len((await upstream.books())["creates"])

    for _ in range(3):  # charged by their usage, so that their executions have no name here
        assert (await acme.ask("POST", "/v1/chat/completions", json=saying("one"))).status_code == 200
    await upstream.faults(creates=["mid_answer"])
    with pytest.raises(httpx.RemoteProtocolError):  # upstream cuts a stream
        await acme.ask("POST", "/v1/chat/completions", json=saying("one", stream=True))
    headers, url = {"X-API-Key": gateway.secrets["acme"]}, f"{gateway.url}/v1/chat/completions"
    async with http.stream("POST", url, headers=headers, json=saying("two", stream=True)) as answer:
        async for _ in answer.aiter_raw():  # the client hangs up on one
            break
    await upstream.faults(creates=["500_after"])
    lost = await acme.ask("POST", "/v1/chat/completions", json=saying("three"))
    assert_refused(lost, 504, "upstream_in_doubt")
    assert lost.headers["x-should-retry"] == "false"  # or the SDK would send it twice
    assert (await acme.ask("POST", TRIGGER)).status_code == 202  # that nobody polls
    await upstream.faults(creates=["cut_after"])
    assert_refused(await acme.ask("POST", TRIGGER, json={}), 504, "upstream_in_doubt")

    assert (await acme.spent())[1] > 0
    used_ = await quiet(acme)
    assert used_ - before == await upstream.billed() - billed
    assert len((await upstream.books())["creates"]) == ran + 8  # and nothing was sent again


async def test_a_workflow_is_held_polled_and_settled_at_its_total_cost(tenant: Tenants, upstream: Upstream) -> None:
    acme, other = tenant("acme"), tenant("guarded")
    before = await quiet(acme)
    queued = await acme.ask("POST", TRIGGER, json={"inputs": {"prompt": "a"}})
    assert (queued.status_code, queued.json()["status"]) == (202, "queued")
    assert queued.headers["X-Gateway-Hold-USD"] == "0.10"
    execution = queued.json()["execution_id"]
    assert_refused(await other.ask("GET", f"/v1/workflows/executions/{execution}"), 404, "not_found")

    async def ended() -> httpx.Response | None:
        polled = await acme.ask("GET", f"/v1/workflows/executions/{execution}")
        return polled if polled.json()["status"] == "completed" else None

    polled = await until(ended)
    assert polled is not None
    assert polled.headers["X-Gateway-Cost-USD"] == "0.05"
    assert polled.json()["total_cost"] == 0.05
    assert await acme.spent() == (before + Decimal("0.05"), 0)


async def test_every_route_has_its_name_in_the_metrics(http: httpx.AsyncClient, gateway: Gateway) -> None:
    async def told() -> bool:
        seen = await scrape(http, gateway)
        routes = ("chat", "speech", "workflow", "workflow_execution")
        counted = all(seen.sum("gateway_requests_total", route=route, status="200") for route in routes[:2])
        return counted and all(seen.sum("gateway_requests_total", route=route) for route in routes)

    await until(told)
    metrics = await scrape(http, gateway)
    assert metrics.sum("gateway_settlements_total", how="metered") > 0
    assert metrics.sum("gateway_settled_usd_total", tenant="acme", model=CHAT) > 0
    assert metrics.sum("gateway_admissions_total", tenant="acme", outcome="admitted") > 0
