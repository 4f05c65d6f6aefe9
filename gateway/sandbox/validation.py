"""Inputs against a model's request schema, as far as the published schemas go."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.sandbox.catalogue import Schema

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def problems(schema: Schema, given: Mapping[str, object]) -> list[str]:
    """What is wrong with an input, one sentence each; parameters that the schema does not name pass."""
    properties = _mapping(schema["properties"])
    found = [f"{name} is required" for name in _sequence(schema["required"]) if name not in given]
    for name, value in given.items():
        if name in properties:
            found += _value_problems(name, _mapping(properties[name]), value)
            found += _address_problems(name, value)
    return found


def _value_problems(name: str, schema: Mapping[str, object], value: object) -> Iterator[str]:
    kinds = _kinds(schema)
    if not any(_has_type(value, kind) for kind in kinds):
        yield f"{name} must be of type {' or '.join(kinds)}"
    elif "enum" in schema and value not in _sequence(schema["enum"]):
        yield f"{name} must be one of {', '.join(map(str, _sequence(schema['enum'])))}"
    elif isinstance(value, int | float):
        yield from _bounds(name, schema, value, "minimum", "maximum")
    elif isinstance(value, str):
        yield from _bounds(f"the length of {name}", schema, len(value), "minLength", "maxLength")
    elif isinstance(value, list) and "items" in schema:
        yield from _bounds(f"the number of {name}", schema, len(value), "minItems", "maxItems")
        yield from _item_problems(name, schema, value)


def _item_problems(name: str, schema: Mapping[str, object], value: list[object]) -> Iterator[str]:
    for place, item in enumerate(value):
        yield from _value_problems(f"{name}[{place}]", _mapping(schema["items"]), item)


def _kinds(schema: Mapping[str, object]) -> list[str]:
    kinds = schema["type"]
    return [kinds] if isinstance(kinds, str) else [str(kind) for kind in _sequence(kinds)]


def _bounds(name: str, schema: Mapping[str, object], number: float, least: str, most: str) -> Iterator[str]:
    low, high = schema.get(least), schema.get(most)
    if isinstance(low, int) and number < low:
        yield f"{name} must be at least {low}"
    if isinstance(high, int) and number > high:
        yield f"{name} must be at most {high}"


def _address_problems(name: str, value: object) -> Iterator[str]:
    if not name.endswith(("_url", "_urls")):
        return
    for address in value if isinstance(value, list) else [value]:
        if isinstance(address, str) and not _is_public(address):
            yield f"{name} must be a publicly reachable HTTPS URL"


def _is_public(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" and bool(host) and not _is_local(host)


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:  # a name, not an address
        return False


def _has_type(value: object, kind: str) -> bool:
    # In Python a boolean is an integer; in JSON it is not.
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError("the catalogue has a schema that is not an object")
    return value


def _sequence(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("the catalogue has a list that is not an array")
    return value
