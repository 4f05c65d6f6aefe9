"""Asking: the bodies of the routes beside the create, as far as their price and their answer depend on them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.admission.form import read_form
from gateway.admission.reading import MOST_SLUG, CreateBody, read_json
from gateway.domain.errors import Code, Refused
from gateway.pricing import WORKFLOW_PREFIX, Route

#: The size of a transcription's file, by which policies may bound it: a parameter beside the texts of its form.
FILE_BYTES = "file_bytes"
#: How an answer is asked for, which is no part of what is answered.
_DELIVERY = frozenset(("stream", "stream_options"))
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_Fields = dict[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: what is priced (`body`), and the bytes that are `sent`.

    The answer is passed on while it arrives where it is `streamed`; its usage is asked for, and kept from a client
    that did not ask (`hidden`). `input` is what upstream's record of the run repeats, `content_type` says what is
    sent.
    """

    body: CreateBody
    sent: bytes
    input: dict[str, Any]
    streamed: bool = False
    hidden: bool = False
    content_type: bytes = b"application/json"


def read_chat(raw: bytes, _path: Mapping[str, str], _type: bytes) -> Asked:
    """Read a chat completion's request. Raises Refused (`invalid_json`)."""
    body = _read_object(raw, ("model", "messages", "stream", "stream_options", "max_tokens", "n"))
    model = _model(body)
    if not isinstance(body.get("messages"), list):
        raise _invalid("messages", "must be an array")
    stream, options = body.get("stream"), body.get("stream_options")
    if not isinstance(stream, bool | None):
        raise _invalid("stream", "must be true or false")
    if not isinstance(options, dict | None):
        raise _invalid("stream_options", "must be an object")
    input = {name: value for name, value in body.items() if name not in _DELIVERY}
    priced = CreateBody(model, _limited(input), raw, Route.CHAT)
    if not stream:
        return Asked(priced, raw, input)
    asked = (options or {}).get("include_usage") is True
    return Asked(priced, raw if asked else _with_usage(raw), input, streamed=True, hidden=not asked)


def read_speech(raw: bytes, _path: Mapping[str, str], _type: bytes) -> Asked:
    """Read the request of speech: its answer is a stream of bytes. Raises Refused as `read_chat` does."""
    body = _read_object(raw, ("model", "input"))
    if not isinstance(body.get("input"), str):
        raise _invalid("input", "must be a string")
    return Asked(CreateBody(_model(body), body, raw, Route.SPEECH), raw, body, streamed=True)


def read_transcription(raw: bytes, _path: Mapping[str, str], content_type: bytes) -> Asked:
    """Read the form of a transcription, of which upstream's record repeats the texts, and the digest for the file.

    Raises Refused as `read_chat` does.
    """
    form = read_form(raw, content_type, ("file", "model", "stream", FILE_BYTES))
    if FILE_BYTES in form.texts:
        raise _invalid(FILE_BYTES, "is what the gateway measures; leave it out")
    stream = form.texts.get("stream", "false")
    if stream not in ("true", "false"):
        raise _invalid("stream", "must be true or false")
    texts = {name: text for name, text in form.texts.items() if name not in _DELIVERY}
    input: dict[str, Any] = texts | {"file": form.file_digest}
    priced = CreateBody(_model(texts), input | {FILE_BYTES: form.file_bytes}, raw, Route.TRANSCRIPTION)
    return Asked(priced, raw, input, streamed=stream == "true", content_type=content_type)


def read_trigger(raw: bytes, path: Mapping[str, str], _type: bytes) -> Asked:
    """Read the trigger of a workflow, whose id stands in the path. Raises Refused as `read_chat` does."""
    if not all(_ID.fullmatch(path[name]) for name in ("workflow", "version")):
        raise Refused(Code.NOT_FOUND, "no such workflow; its id or version has characters that none has")
    body = _read_object(raw or b"{}", ("inputs",))
    inputs = body.get("inputs") or {}
    if not isinstance(inputs, dict):
        raise _invalid("inputs", "must be an object")
    return Asked(CreateBody(WORKFLOW_PREFIX + path["workflow"], inputs, raw, Route.WORKFLOW), raw, inputs)


def _read_object(raw: bytes, names: Iterable[str]) -> dict[str, Any]:
    """Read a JSON object that names these fields in one way only, since some readers ignore case."""
    body = read_json(raw)
    if not isinstance(body, dict):
        raise Refused(Code.INVALID_JSON, "the body is not a JSON object")
    for name in body:
        if name.casefold() in names and name not in names:
            raise Refused(Code.INVALID_JSON, f"the name {name!r} is too like {name.casefold()!r}; leave it out")
    return body


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= MOST_SLUG or model.startswith(WORKFLOW_PREFIX):
        raise _invalid("model", f"must be the name of a model, of at most {MOST_SLUG} characters")
    return model


def _limited(input: dict[str, Any]) -> dict[str, Any]:
    """Let the newer name of the limit on what is written stand for the older one, by which prices go."""
    newer = input.get("max_completion_tokens")
    if newer is None:
        return input
    if input.get("max_tokens") is not None:
        raise _invalid("max_completion_tokens", "says what max_tokens says; give one of them")
    return input | {"max_tokens": newer}


def _with_usage(raw: bytes) -> bytes:
    """Ask for the usage of a streamed answer; every other value keeps its bytes."""
    fields = msgspec.json.decode(raw, type=_Fields)
    options = msgspec.json.decode(fields.get("stream_options", b"null"), type=_Fields | None) or {}
    options["include_usage"] = msgspec.Raw(b"true")
    fields["stream_options"] = msgspec.Raw(msgspec.json.encode(options))
    return msgspec.json.encode(fields)


def _invalid(name: str, what: str) -> Refused:
    return Refused(Code.INVALID_JSON, f"{name} {what}", extra={"parameter": name})
