"""Reading: the body of a create, without a way to mean one thing here and another upstream."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.domain.errors import Code, Refused


@dataclass(frozen=True, slots=True)
class CreateBody:
    """What a create asks for; `raw` is the client's bytes, which are what is sent."""

    model: str
    input: dict[str, Any]
    raw: bytes


class _Fields(msgspec.Struct):
    model: str
    input: dict[str, Any]


def read_create(raw: bytes) -> CreateBody:
    """Read a create. Raises Refused (`invalid_json`) for what is not a create, or could be read in two ways.

    A name that stands twice is refused: readers differ in which one counts (and some ignore case in the outer
    object), so the price could be worked out from one and the prediction made from the other.
    """
    try:
        fields = msgspec.json.decode(raw, type=_Fields)
        json.loads(raw, object_pairs_hook=_once)
    except msgspec.ValidationError as error:
        raise _invalid(
            f"the body is not a create: {error}; it needs a string `model` and an object `input`"
        ) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _invalid(f"the body is not valid JSON: {error}") from error
    _refuse_twins(raw)
    return CreateBody(fields.model, fields.input, raw)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands twice in one object; write it once")
    return found


def _refuse_twins(raw: bytes) -> None:
    outer = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    for name in outer:
        if name.casefold() in ("model", "input") and name not in ("model", "input"):
            raise _invalid(f"the name {name!r} is too like {name.casefold()!r}; leave it out")


def _invalid(message: str) -> Refused:
    return Refused(Code.INVALID_JSON, message)
