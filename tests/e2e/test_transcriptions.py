"""Transcriptions through the gateway: the openai SDK's forms, byte for byte, held, streamed and settled."""

from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest

from e2e.clients import Tenants, Upstream, assert_refused, bill, quiet, scrape, until, used
from e2e.policies import Policies, budget
from e2e.programs import Gateway

PATH = "/v1/audio/transcriptions"
BY_TOKENS, BY_SECONDS = "openai/gpt-4o-transcribe", "openai/whisper-1"
MODELS = """
[[model]]
slug = "openai/gpt-4o-transcribe"
route = "transcription"
price_version = "1"
[model.quantity.heard_tokens]
kind = "after_run"
usual = 600
most = 16_000
usage = "input_tokens"
[model.quantity.written_tokens]
kind = "after_run"
usual = 200
most = 2_000
usage = "output_tokens"
[model.price]
kind = "sum"
part = [
  { kind = "per_unit", quantity = "heard_tokens", per = 1_000_000, usd = "2.50" },
  { kind = "per_unit", quantity = "written_tokens", per = 1_000_000, usd = "10" },
]

[[model]]
slug = "openai/whisper-1"
route = "transcription"
price_version = "1"
[model.quantity.seconds]
kind = "after_run"
usual = 60
most = 3_600
usage = "seconds"
[model.price]
kind = "per_unit"
quantity = "seconds"
usd = "0.0001"
[model.input.file_bytes]
type = "integer"
max = 4_000_000
"""
SOUND = bytes(range(256)) * 250


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.tenant("acme", budget("900.00"))
    policies.tenant("poor", budget("0.01"))
    policies.tenant("guarded", guards=[{"parameter": "file_bytes", "max": 1000}])
    policies.model += MODELS
    return policies


@pytest.mark.parametrize(("model", "hold"), [(BY_TOKENS, "0.06"), (BY_SECONDS, "0.36")])
async def test_the_sdk_transcribes_and_is_charged_what_upstream_bills(
    sdk: openai.AsyncOpenAI, tenant: Tenants, upstream: Upstream, model: str, hold: str
) -> None:
    acme = tenant("acme")
    before = await quiet(acme)
    raw = await sdk.audio.transcriptions.with_raw_response.create(
        model=model, file=("a.wav", SOUND), language="en", timestamp_granularities=["word", "segment"]
    )
    assert raw.parse().text.startswith("word0")
    cost = Decimal((await bill(upstream))["cost"])
    assert Decimal(raw.headers["X-Gateway-Cost-USD"]) == cost > 0
    assert raw.headers["X-Gateway-Hold-USD"] == hold
    assert await acme.spent() == (before + cost, 0)
    reservation = await acme.reservation(raw.headers["X-Gateway-Reservation"])
    assert (reservation["settled_how"], reservation["model"]) == ("metered", model)


async def test_the_sdk_streams_a_transcription_and_is_charged_by_its_last_event(
    sdk: openai.AsyncOpenAI, tenant: Tenants, upstream: Upstream
) -> None:
    acme = tenant("acme")
    before = await quiet(acme)
    stream = await sdk.audio.transcriptions.create(model=BY_TOKENS, file=("a.wav", SOUND), stream=True)
    events: list[Any] = [event async for event in stream]
    assert [event.type for event in events[-2:]] == ["transcript.text.delta", "transcript.text.done"]
    assert events[-1].usage.input_tokens == 40
    assert await quiet(acme) == before + Decimal((await bill(upstream))["cost"])


async def test_the_form_arrives_byte_for_byte_however_large_it_is(tenant: Tenants, upstream: Upstream) -> None:
    sound = SOUND * 60  # 3.8 MB, which no other route would take
    request = httpx.Request(
        "POST", "http://gateway", data={"model": BY_SECONDS, "prompt": "é"}, files={"file": ("é.mp3", sound)}
    )
    body = request.read()
    headers = {"Content-Type": request.headers["Content-Type"]}
    answer = await tenant("acme").ask("POST", PATH, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    sent, arrived = await upstream.last()
    assert arrived == body
    assert dict(sent)["content-type"] == headers["Content-Type"]


async def test_an_answer_without_a_usage_or_none_at_all_is_charged_at_what_its_own_execution_cost(
    tenant: Tenants, upstream: Upstream
) -> None:
    acme = tenant("acme")
    before, billed = await quiet(acme), await upstream.billed()

    def ask(sound: bytes, **more: str) -> dict[str, Any]:
        return {"data": {"model": BY_TOKENS, **more}, "files": {"file": ("a.wav", sound)}}

    plain = await acme.ask("POST", PATH, **ask(SOUND, response_format="text"))
    assert plain.text.startswith("word0")
    await upstream.faults(creates=["mid_answer"])
    with pytest.raises(httpx.RemoteProtocolError):
        await acme.ask("POST", PATH, **ask(SOUND * 2, stream="true"))
    await upstream.faults(creates=["500_after"])
    assert_refused(await acme.ask("POST", PATH, **ask(SOUND * 3)), 504, "upstream_in_doubt")
    assert (await acme.spent())[1] > 0
    used_ = await quiet(acme)
    assert used_ - before == await upstream.billed() - billed > 0


async def test_a_repeat_with_the_same_key_gets_the_first_answer_and_is_sent_once(
    tenant: Tenants, upstream: Upstream
) -> None:
    acme = tenant("acme")
    headers = {"Idempotency-Key": "sound", "Content-Type": "multipart/form-data; boundary=XyZ"}

    def body(sound: bytes) -> bytes:
        head = b'--XyZ\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + BY_TOKENS.encode()
        file = b'\r\n--XyZ\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + sound
        return head + file + b"\r\n--XyZ--\r\n"

    first = await acme.ask("POST", PATH, headers=headers, content=body(SOUND))
    arrived = await upstream.arrived()
    again = await acme.ask("POST", PATH, headers=headers, content=body(SOUND))
    assert (again.status_code, again.content) == (first.status_code, first.content) == (200, first.content)
    other = await acme.ask("POST", PATH, headers=headers, content=body(SOUND[1:]))
    assert_refused(other, 422, "idempotency_mismatch")
    assert await upstream.arrived() == arrived


@pytest.mark.parametrize(
    ("name", "form", "status", "code"),
    [
        ("acme", {"data": {"model": "openai/other"}}, 403, "model_unpriced"),
        ("acme", {"data": {"model": "flux-2-klein-4b-base-edit"}}, 403, "model_unpriced"),
        ("acme", {"data": {"model": [BY_TOKENS, BY_TOKENS]}}, 400, "invalid_json"),
        ("acme", {"data": {"model": BY_TOKENS, "Model": "dear"}}, 400, "invalid_json"),
        ("acme", {"data": {}}, 400, "invalid_json"),
        ("acme", {"data": {"model": BY_TOKENS}, "files": {"sound": ("a", b"x")}}, 400, "invalid_json"),
        ("acme", {"json": {"model": BY_TOKENS}, "files": None}, 400, "invalid_json"),
        ("acme", {"data": {"model": BY_SECONDS}, "files": {"file": ("a", bytes(4_000_001))}}, 400, "invalid_input"),
        ("guarded", {"data": {"model": BY_TOKENS}}, 403, "parameter_not_allowed"),
        ("poor", {"data": {"model": BY_TOKENS}}, 402, "budget_exceeded"),
    ],
)
async def test_what_is_refused_sends_and_holds_nothing(
    tenant: Tenants, upstream: Upstream, name: str, form: dict[str, Any], status: int, code: str
) -> None:
    client = tenant(name)
    unchanged = await used(client, upstream)
    form = {"files": {"file": ("a.wav", SOUND)}} | form
    assert_refused(await client.ask("POST", PATH, **form), status, code)
    await unchanged()


async def test_a_form_beyond_25_mib_is_refused_and_other_routes_keep_their_bound(
    tenant: Tenants, upstream: Upstream
) -> None:
    acme = tenant("acme")
    unchanged = await used(acme, upstream)
    assert_refused(await acme.ask("POST", PATH, content=bytes(25 * 2**20 + 1)), 413, "body_too_large")
    assert_refused(await acme.ask("POST", PATH, content=bytes(25 * 2**20)), 400, "invalid_json")  # and is read
    assert_refused(await acme.ask("POST", "/v1/audio/speech", content=bytes(2**20 + 1)), 413, "body_too_large")
    await unchanged()


async def test_the_route_has_its_name_in_the_metrics(http: httpx.AsyncClient, gateway: Gateway) -> None:
    async def told() -> float:
        return (await scrape(http, gateway)).sum("gateway_requests_total", route="transcription", status="400")

    await until(told)
