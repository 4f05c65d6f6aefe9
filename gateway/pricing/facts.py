"""Facts: what of a request decides its price, and nothing else of it, so that it can be priced again later.

The journal keeps them beside the estimate: a few numbers and names, never a prompt or an address.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from gateway.pricing.model import Model

#: A longer text names no size, resolution or duration; what it says is not for the journal.
_MOST_CHARACTERS = 32
#: Where the pixels of input images stand that somebody has looked at; no parameter has an empty name.
_SOURCES = ""
_Fact: TypeAlias = bool | int | float | str | list[int | None] | dict[str, int]


class Facts(NamedTuple):
    """A request as far as its price goes; lists and texts of which only the length counts have nothing in them."""

    input: dict[str, Any]
    sources: tuple[int | None, ...]


def write_facts(model: Model, input: Mapping[str, Any], sources: Sequence[int | None] = ()) -> str:
    """Write the facts of a request as JSON; empty where the schema's defaults say everything."""
    found: dict[str, Any] = {}
    for name, by_length in model.deciding.items():
        fact = _length(input.get(name)) if by_length else _value(input.get(name))
        if fact is not None:
            found[name] = fact
    if any(sources):
        found[_SOURCES] = list(sources)
    # Kept with every create: equal ones once.
    return sys.intern(msgspec.json.encode(found).decode()) if found else ""


def read_facts(model: Model, text: str) -> Facts:
    """Read what `write_facts` wrote of the same model. Raises ValueError for what is no such text."""
    found = msgspec.json.decode(text or "{}", type=dict[str, _Fact])
    sources = found.pop(_SOURCES, [])
    if not isinstance(sources, list):
        raise ValueError(f"the pixels of images are a list, not {sources!r}")
    lengths = {name for name, by_length in model.deciding.items() if by_length}
    return Facts({name: _long(fact) if name in lengths else fact for name, fact in found.items()}, tuple(sources))


def _value(value: Any) -> Any:
    if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _MOST_CHARACTERS):
        return value
    if isinstance(value, dict):  # a size
        sides = {side: value.get(side) for side in ("width", "height")}
        return sides if all(type(side) is int for side in sides.values()) else None
    return None


def _length(value: Any) -> int | list[int] | None:
    """Write the length of a text as a number, that of a list in brackets."""
    if isinstance(value, str):
        return len(value)
    return [len(value)] if isinstance(value, list) else None


def _long(fact: _Fact) -> str | list[str]:
    match fact:
        case int():
            return "x" * fact
        case [int() as items]:
            return [""] * items
    raise ValueError(f"{fact!r} is no length")
