"""The bodies of chats, voices and workflows: what is priced, and what is sent."""

import json
from typing import Any

import pytest

from gateway.admission.asking import Asked, read_chat, read_speech, read_trigger
from gateway.domain.errors import Code, Refused
from gateway.pricing import Route

CHAT: dict[str, Any] = {"model": "openai/gpt", "messages": [{"role": "user", "content": "hello"}]}
PLACE = {"workflow": "wf_1", "version": "v1"}


def chat(**more: Any) -> Asked:
    return read_chat(json.dumps({**CHAT, **more}).encode(), {}, b"")


def test_a_chat_is_sent_as_it_came() -> None:
    raw = json.dumps({**CHAT, "temperature": 0.10}).encode()
    asked = read_chat(raw, {}, b"")
    assert (asked.sent, asked.streamed, asked.hidden) == (raw, False, False)
    assert (asked.body.model, asked.body.route) == ("openai/gpt", Route.CHAT)


@pytest.mark.parametrize(
    ("options", "sent", "hidden"),
    [
        (None, {"include_usage": True}, True),
        ({}, {"include_usage": True}, True),
        ({"include_usage": False, "other": 1}, {"include_usage": True, "other": 1}, True),
        ({"include_usage": None}, {"include_usage": True}, True),
        ({"include_usage": True, "other": 1}, {"include_usage": True, "other": 1}, False),
    ],
)
def test_a_stream_is_asked_for_its_usage(options: dict[str, Any] | None, sent: dict[str, Any], hidden: bool) -> None:
    asked = chat(stream=True, stream_options=options)
    assert (asked.streamed, asked.hidden) == (True, hidden)
    assert json.loads(asked.sent) == {**CHAT, "stream": True, "stream_options": sent}
    assert "stream_options" not in asked.input  # which upstream's record of the run does not repeat


def test_asking_for_the_usage_leaves_every_other_value_its_bytes() -> None:
    raw = b'{"model":"m","messages":[1.10,1e2,9007199254740993],"stream":true}'
    assert b'"messages":[1.10,1e2,9007199254740993]' in read_chat(raw, {}, b"").sent


def test_the_newer_name_of_the_limit_prices_as_the_older_one() -> None:
    asked = chat(max_completion_tokens=7)
    assert asked.body.input["max_tokens"] == 7
    assert "max_tokens" not in asked.input
    assert b'"max_tokens"' not in asked.sent


@pytest.mark.parametrize(
    "more",
    [
        {"messages": "hello"},
        {"messages": None},
        {"model": 7},
        {"model": ""},
        {"model": "x" * 201},
        {"model": "workflow/wf_1"},  # whose price is no chat's
        {"stream": 1},
        {"stream_options": []},
        {"max_tokens": 5, "max_completion_tokens": 7},
        {"Model": "openai/dear"},
        {"MAX_TOKENS": 1},
        {"Stream": True},
    ],
)
def test_what_could_be_read_in_two_ways_or_is_no_chat_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        chat(**more)
    assert refused.value.code is Code.INVALID_JSON


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"model":"a","model":"b","messages":[]}'])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read_chat(raw, {}, b"")
    assert refused.value.code is Code.INVALID_JSON


def test_speech_is_priced_by_its_text_and_streamed() -> None:
    raw = b'{"model":"deepgram/aura-2","input":"hello"}'
    asked = read_speech(raw, {}, b"")
    assert (asked.body.route, asked.body.input["input"], asked.sent, asked.streamed) == (
        Route.SPEECH,
        "hello",
        raw,
        True,
    )
    with pytest.raises(Refused):
        read_speech(b'{"model":"deepgram/aura-2","input":["hello"]}', {}, b"")


@pytest.mark.parametrize(
    ("raw", "inputs"), [(b"", {}), (b"{}", {}), (b'{"inputs":null}', {}), (b'{"inputs":{"a":1}}', {"a": 1})]
)
def test_a_workflow_is_priced_by_its_id_and_its_inputs(raw: bytes, inputs: dict[str, Any]) -> None:
    asked = read_trigger(raw, PLACE, b"")
    assert (asked.body.model, asked.body.route, asked.body.input) == ("workflow/wf_1", Route.WORKFLOW, inputs)
    assert asked.sent == raw


@pytest.mark.parametrize("name", ["..", "a b", "", "a?b", "x" * 101])
def test_an_id_that_would_lead_to_another_route_is_unknown(name: str) -> None:
    for place in (PLACE | {"workflow": name}, PLACE | {"version": name}):
        with pytest.raises(Refused) as refused:
            read_trigger(b"{}", place, b"")
        assert refused.value.code is Code.NOT_FOUND
