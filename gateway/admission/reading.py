"""Reading: the body of a create, without a way to mean one thing here and another upstream."""

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.domain.errors import Code, Refused
from gateway.pricing import Route

MOST_SLUG = 200
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


class CreateBody(msgspec.Struct, frozen=True):
    """What a create asks for; `raw` is the client's bytes, which are what is sent. A price must be one of `route`."""

    model: str
    input: dict[str, Any]
    raw: bytes
    route: Route = Route.PREDICTION


def read_create(raw: bytes) -> CreateBody:
    """Read a create. Raises Refused (`invalid_json`) for what is not a create, or could be read in two ways.

    A name that stands twice is refused: readers differ in which one counts (and some ignore case in the outer
    object), so the price could be worked out from one and the prediction made from the other.
    """
    body = read_json(raw)
    if (
        not isinstance(body, dict)
        or not isinstance(body.get("model"), str)
        or not isinstance(body.get("input"), dict)
    ):
        raise _invalid("the body is not a create: it needs a string `model` and an object `input`")
    for name in body:
        if name.casefold() in ("model", "input") and name not in ("model", "input"):
            raise _invalid(f"the name {name!r} is too like {name.casefold()!r}; leave it out")
    if len(body["model"]) > MOST_SLUG:
        raise _invalid(f"the name of the model is longer than {MOST_SLUG} characters")
    return CreateBody(body["model"], body["input"], raw)


def read_json(raw: bytes) -> Any:
    """Read JSON in which no name stands twice. Raises Refused (`invalid_json`)."""
    try:
        found = msgspec.json.decode(raw)  # stricter than the standard library: no NaN, no half characters
        # Outside of strings, colons stand behind names only: where there are more of them, a name stands twice.
        if _names(found) != _STRING.sub(b"", raw).count(b":"):
            json.loads(raw, object_pairs_hook=_once)
            raise ValueError("a name stands twice in one object; write it once")
        return found
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _invalid(f"what was sent is not valid JSON: {error}") from error


def _names(value: Any) -> int:
    """Count the names in all objects of a value."""
    if isinstance(value, dict):
        return len(value) + sum([_names(each) for each in value.values() if isinstance(each, dict | list)])
    if isinstance(value, list):
        return sum([_names(each) for each in value if isinstance(each, dict | list)])
    return 0


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:80]!r} stands twice in one object; write it once")
        found[name] = value
    return found


def _invalid(message: str) -> Refused:
    return Refused(Code.INVALID_JSON, message)
