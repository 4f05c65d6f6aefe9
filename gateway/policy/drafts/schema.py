"""JSON schemas of upstream, made into parameters of a policy file as far as its grammar goes."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.pricing import Parameter

MOST_DESCRIPTION = 300
_TYPES = ("string", "integer", "number", "boolean", "array", "object")
#: The words of a JSON schema for the least and the most; the grammar has one of each, whatever the type.
_LEAST = ("minimum", "minLength", "minItems")
_MOST = ("maximum", "maxLength", "maxItems")
#: What is given up, in this order, where the whole does not fit the grammar.
_EXPENDABLE = ("default", "one_of", "items", "min", "max", "description")


class Drafted(NamedTuple):
    """A parameter as a policy file has it, and what was left out of it; `fields` is empty where nothing could be."""

    fields: dict[str, Any]
    notes: list[str]


def draft_parameter(schema: Mapping[str, Any], *, required: bool) -> Drafted:
    """Make a parameter; whatever comes out is one that `gateway check` takes."""
    whole = _alternative(schema)
    kind = _type(whole)
    if kind is None:
        return Drafted({}, ["its type is not one of the grammar's, so that it is forwarded as it is"])
    fields = {"type": kind, **({"required": True} if required else {}), **_rest(whole, kind)}
    notes = []
    if required and fields.pop("default", None) is not None:
        notes.append("it is required, so that its default is left out")
    for expendable in (None, *_EXPENDABLE):
        if expendable in fields:
            notes.append(f"{expendable} is left out: {_fault(fields)}")
            del fields[expendable]
        if _fault(fields) is None:
            return Drafted(fields, notes)
    return Drafted({}, [f"it does not fit the grammar: {_fault(fields)}"])


def one_line(text: str, most: int = MOST_DESCRIPTION) -> str:
    """Cut a text of upstream down to what a line of a file can hold."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    short = re.sub(r"\s+", " ", plain).strip()
    return short if len(short) <= most else short[: most - 1] + "…"


def _alternative(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take the only alternative that is not null, as schemas of optional parameters are written."""
    for word in ("anyOf", "oneOf", "allOf"):
        listed = _listed(schema, word)
        options = [each for each in listed if isinstance(each, dict) and each.get("type") != "null"]
        if len(options) == 1:
            return {**schema, **options[0]}
    return schema


def _type(schema: Mapping[str, Any]) -> str | list[str] | None:
    kinds = _listed(schema, "type") or [schema.get("type")]
    named = [kind for kind in kinds if kind != "null"]
    if not named or any(kind not in _TYPES for kind in named):
        return None
    return named[0] if len(named) == 1 else named


def _listed(schema: Mapping[str, Any], word: str) -> list[Any]:
    found = schema.get(word)
    return found if isinstance(found, list) else []


def _rest(schema: Mapping[str, Any], kind: str | list[str]) -> dict[str, Any]:
    default = schema.get("default")
    fields: dict[str, Any] = {
        "default": default if _sayable(default) else None,
        "min": _first(schema, _LEAST),
        "max": _first(schema, _MOST),
        "one_of": [each for each in _listed(schema, "enum") if each is not None] or None,
        "items": _items(schema.get("items")) if kind == "array" else None,
        "description": one_line(str(schema.get("description") or "")) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _items(schema: object) -> dict[str, Any] | None:
    """Describe the items of an array, without default and description: those are the array's."""
    if not isinstance(schema, dict):
        return None
    drafted = draft_parameter({**schema, "default": None, "description": None}, required=False)
    return drafted.fields or None


def _first(schema: Mapping[str, Any], words: tuple[str, ...]) -> Any:
    """Give the first bound that is there; upstream may write a whole one as 4.0."""
    found = next((schema[word] for word in words if schema.get(word) is not None), None)
    return int(found) if isinstance(found, float) and found.is_integer() else found


def _sayable(value: object) -> bool:
    """Tell whether TOML, which has no null, can say a value."""
    if isinstance(value, dict):
        return all(map(_sayable, value.values()))
    return all(map(_sayable, value)) if isinstance(value, list) else value is not None


def _fault(fields: Mapping[str, Any]) -> str | None:
    try:
        msgspec.convert(dict(fields), Parameter)
    except msgspec.ValidationError as error:
        return one_line(str(error))
    return None
