"""Reading the types of the documents: what a field may hold, as words for messages."""

from collections.abc import Iterator, Mapping
from enum import Enum
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.inspect import is_struct_type

_NAMES: Mapping[Any, str] = MappingProxyType(
    {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
)
_BOUNDS = MappingProxyType({"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"})


def alternatives(kind: Any) -> Iterator[Any]:
    """List the members of a union, without their annotations."""
    if get_origin(kind) is Annotated:
        yield from alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from alternatives(member)
    else:
        yield kind


def containers(kind: Any) -> dict[Any, Any]:
    """Give the kinds of containers that a value may be (tuple, list, dict), each with the type of what is in it."""
    found = {}
    for part in alternatives(kind):
        if (origin := get_origin(part)) in (tuple, list, dict):
            found[origin] = get_args(part)[-1 if origin is dict else 0]
    return found


def is_list(kind: Any) -> bool:
    """Tell whether a value is a list."""
    return bool(containers(kind).keys() & {tuple, list})


def tables(kind: Any) -> tuple[type[Struct], ...]:
    """Find the documents that a value of this type consists of, itself or as items of a list or mapping."""
    found: list[type[Struct]] = [part for part in alternatives(kind) if is_struct_type(part)]
    for inner in containers(kind).values():
        found.extend(tables(inner))
    return tuple(found)


def words(kind: Any) -> list[str]:
    """List the words that a value may be, where it is one of a closed set."""
    found: list[str] = []
    for part in alternatives(kind):
        if isinstance(part, type) and issubclass(part, Enum):
            found += [str(member.value) for member in part]
        elif get_origin(part) is Literal:
            found += [str(word) for word in get_args(part)]
    return found


def expected(kind: Any) -> str:
    """Say what a value of this type is, such as "a whole number of at least 1"; empty where there are no words."""
    if is_list(kind):
        return "a list, in brackets"
    parts = [part for part in alternatives(kind) if part in _NAMES]
    names = [_NAMES[part] for part in parts if not (part is int and float in parts)]
    return f"{' or '.join(names)}{_bounds(kind)}" if names else ""


def _bounds(kind: Any) -> str:
    bounds = {name: bound for meta in _metas(kind) for name in _BOUNDS if (bound := getattr(meta, name)) is not None}
    if bounds.keys() == {"ge", "le"}:
        return f" from {bounds['ge']} to {bounds['le']}"
    found = [f"{_BOUNDS[name]} {bound}" for name, bound in bounds.items()]
    return f" {' and '.join(found)}" if found else ""


def _metas(kind: Any) -> Iterator[Meta]:
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        yield from (each for each in more if isinstance(each, Meta))
        yield from _metas(inner)
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _metas(member)
