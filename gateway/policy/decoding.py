"""Turning the tables of TOML into documents, and into sentences where they do not fit the grammar.

msgspec decodes, and stops at the first thing that does not fit. Only then is the table walked beside its type, field
by field, so that every field at fault is reported, with the words that would be right.
"""

from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.inspect import is_struct_type
from msgspec.structs import fields

from gateway.policy.problems import Spot, suggestion

T = TypeVar("T", bound=Struct)


def decode(raw: dict[str, Any], document: type[T], spot: Spot) -> T | None:
    """Decode a table; where it does not fit, report everything that is wrong with it and return None."""
    try:
        return msgspec.convert(raw, document)
    except msgspec.ValidationError:
        _explain_table((document,), raw, spot)
        return None


def _explain_table(documents: tuple[type[Struct], ...], raw: dict[str, Any], spot: Spot) -> None:
    before = len(spot.found)
    document = _chosen(documents, raw, spot)
    if document is None:
        return
    _explain_fields(document, raw, spot)
    if len(spot.found) == before:
        _explain_rule(document, raw, spot)


def _explain_fields(document: type[Struct], raw: dict[str, Any], spot: Spot) -> None:
    config = document.__struct_config__
    known = {field.encode_name: field for field in fields(document)}
    for name in raw if config.forbid_unknown_fields else ():
        if name not in known and name != config.tag_field:
            spot.report(f"is not known here; use one of {', '.join(known)}{suggestion(name, known)}", name)
    for name, field in known.items():
        if name in raw:
            _explain_value(field.type, raw[name], spot, name)
        elif field.required:
            spot.report("is missing", name)


def _explain_rule(document: type[Struct], raw: dict[str, Any], spot: Spot) -> None:
    """Report a rule of the document itself, which no single field breaks."""
    try:
        msgspec.convert(raw, document)
    except msgspec.ValidationError as error:
        spot.report(_lowered(error))


def _chosen(documents: tuple[type[Struct], ...], raw: dict[str, Any], spot: Spot) -> type[Struct] | None:
    """Find the document that the table's tag, such as `kind`, names."""
    by_tag = {str(document.__struct_config__.tag): document for document in documents}
    field = documents[0].__struct_config__.tag_field
    if field is None:
        return documents[0]
    tag = raw.get(field)
    if tag is None:
        spot.report(f"is missing; use one of {', '.join(by_tag)}", field)
    elif not isinstance(tag, str) or tag not in by_tag:
        spot.report(_not_one_of(tag, field, list(by_tag)), field)
    return by_tag.get(tag) if isinstance(tag, str) else None


def _explain_value(kind: Any, value: object, spot: Spot, name: str) -> None:
    """Go into the tables of a value, or, where it has none, say why it is not of its type."""
    inner = _tables(kind)
    if not inner:
        _explain_leaf(kind, value, spot, name)
        return
    for step, item in _items(kind, value, spot, name):
        if isinstance(item, dict):
            _explain_table(inner, item, step)
        else:
            step.report("is not a table")  # what it is stays unsaid: perhaps a secret was pasted


def _items(kind: Any, value: object, spot: Spot, name: str) -> Iterator[tuple[Spot, object]]:
    containers = {get_origin(part) for part in _alternatives(kind)}
    listed = bool(containers & {tuple, list})
    if listed and isinstance(value, list):
        for position, item in enumerate(value):
            yield spot.entry(name, position, _name_of(item)), item
    elif listed:
        spot.report(f"is a list of tables; begin each with [[…{name}]], in two brackets", name)
    elif dict in containers and isinstance(value, dict):
        for key, item in value.items():
            yield spot.entry(name, 0, key), item
    else:
        yield spot.inside(name), value


def _name_of(item: object) -> object:
    return item.get("id", item.get("parameter")) if isinstance(item, dict) else None


def _explain_leaf(kind: Any, value: object, spot: Spot, name: str) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        spot.report(_sentence(kind, value, name) or f"{value!r} is not right: {_lowered(error)}", name)


def _sentence(kind: Any, value: object, name: str) -> str | None:
    """Say what would be right, for the mistakes that people make."""
    parts = list(_alternatives(kind))
    words = [word for part in parts for word in _words(part)]
    if words:
        return _not_one_of(value, name, words)
    if str in parts and isinstance(value, int | float) and not isinstance(value, bool):
        return f'{value!r} is a number; write it in quotes, "{value}"'
    if any(get_origin(part) in (tuple, list) for part in parts) and not isinstance(value, list):
        return f"{value!r} is not a list; write it in brackets"
    return None


def _lowered(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


def _words(part: Any) -> list[str]:
    if isinstance(part, type) and issubclass(part, Enum):
        return [str(member.value) for member in part]
    return [str(word) for word in get_args(part)] if get_origin(part) is Literal else []


def _not_one_of(value: object, name: str, words: list[str]) -> str:
    article = "an" if name[0] in "aeiou" else "a"
    return f"{value!r} is not {article} {name}; use one of {', '.join(words)}{suggestion(value, words)}"


def _alternatives(kind: Any) -> Iterator[Any]:
    """List the members of a union, without their annotations."""
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _alternatives(member)
    else:
        yield kind


def _tables(kind: Any) -> tuple[type[Struct], ...]:
    """Find the documents that a value of this type consists of, itself or as items of a list or mapping."""
    found: list[type[Struct]] = []
    for part in _alternatives(kind):
        if is_struct_type(part):
            found.append(part)
        elif get_origin(part) in (tuple, list, dict):
            found.extend(_tables(get_args(part)[-1 if get_origin(part) is dict else 0]))
    return tuple(found)
