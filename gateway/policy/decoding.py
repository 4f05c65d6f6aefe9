"""Turning the tables of TOML into documents, and into problems where they do not fit the grammar.

msgspec decodes, and stops at the first thing that does not fit. Only then is the table walked beside its type, field
by field: every field at fault is reported, and what is left of the table is decoded without them, so that what is
wrong in another way is found in the same run.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from gateway.policy.grammar import containers, expected, is_list, tables, words
from gateway.policy.problems import Spot, suggestion

T = TypeVar("T", bound=Struct)
K = TypeVar("K", int, str)


class _Unusable(Exception):
    """A table lacks something that it cannot do without; that was reported."""


def decode(raw: dict[str, Any], document: type[T], spot: Spot) -> T | None:
    """Decode a table. Where it does not fit, everything that is wrong with it is reported.

    Then the rest of it is given, or None where that makes no sense.
    """
    try:
        return msgspec.convert(raw, document)
    except msgspec.ValidationError:
        try:
            return msgspec.convert(_sound_table((document,), raw, spot), document)
        except (_Unusable, msgspec.ValidationError):
            return None


def _sound_table(documents: tuple[type[Struct], ...], raw: dict[str, Any], spot: Spot) -> dict[str, Any]:
    """Report what is wrong with a table, and give it without that. Raises _Unusable."""
    before = len(spot.findings.problems)
    document = _chosen(documents, raw, spot)
    config = document.__struct_config__
    known = {field.encode_name: field for field in fields(document)}
    sound = {config.tag_field: raw[config.tag_field]} if config.tag_field else {}
    for name in raw if config.forbid_unknown_fields else ():
        if name not in known and name != config.tag_field:
            spot.report_name(f"is not known here; use one of {', '.join(known)}{suggestion(name, known)}", name)
    usable = [_take(field, raw, sound, spot) for field in known.values()]
    if not all(usable):
        raise _Unusable
    if len(spot.findings.problems) == before:
        _report_rule(document, raw, spot)
    return sound


def _take(field: FieldInfo, raw: dict[str, Any], sound: dict[str, Any], spot: Spot) -> bool:
    """Take over a field that is right; tells whether the table can do without what was not taken."""
    name = field.encode_name
    if name not in raw:
        if field.required:
            spot.report("is missing", name)
        return not field.required
    try:
        sound[name] = _sound_value(field.type, raw[name], spot, name)
    except _Unusable:
        return not field.required
    return True


def _report_rule(document: type[Struct], raw: dict[str, Any], spot: Spot) -> None:
    """Report a rule of the document itself; one that is about a field begins with its name."""
    try:
        msgspec.convert(raw, document)
    except msgspec.ValidationError as error:
        field, colon, text = str(error).partition(": ")
        if colon and field in raw:
            spot.report(text, field)
        else:
            spot.report(_lowered(error))
        raise _Unusable from error


def _chosen(documents: tuple[type[Struct], ...], raw: dict[str, Any], spot: Spot) -> type[Struct]:
    """Find the document that the table's tag, such as `kind`, names. Raises _Unusable where it names none."""
    by_tag = {str(document.__struct_config__.tag): document for document in documents}
    field = documents[0].__struct_config__.tag_field
    if field is None:
        return documents[0]
    tag = raw.get(field)
    if tag is None:
        spot.report(f"is missing; use one of {', '.join(by_tag)}", field)
    elif not isinstance(tag, str) or tag not in by_tag:
        spot.report(_not_one_of(tag, field, list(by_tag)), field)
    else:
        return by_tag[tag]
    raise _Unusable


def _sound_value(kind: Any, value: object, spot: Spot, name: str) -> object:
    """Give a value without what is wrong in it. Raises _Unusable where nothing of it can be used."""
    documents = tables(kind)
    if not documents:
        return _leaf(kind, value, spot, name)
    if is_list(kind):
        if isinstance(value, list):
            return _sound_list(documents, value, spot, name)
        spot.report(f"is a list of tables; begin each with [[…{name}]], in two brackets", name)
        raise _Unusable
    if dict in containers(kind) and isinstance(value, dict):
        items = ((key, spot.member(name, key), item) for key, item in value.items())
        return dict(_sound_items(documents, items))
    return _sound_item(documents, value, spot.inside(name, name))


def _sound_list(documents: tuple[type[Struct], ...], value: list[object], spot: Spot, name: str) -> list[object]:
    """Go through a list of tables, and note which were kept."""
    spots = [spot.entry(name, position, _name_of(item)) for position, item in enumerate(value)]
    items = zip(range(len(value)), spots, value, strict=True)
    sound = dict(_sound_items(documents, items))
    spot.keep(name, sound)
    return list(sound.values())


def _sound_items(
    documents: tuple[type[Struct], ...], items: Iterable[tuple[K, Spot, object]]
) -> Iterator[tuple[K, dict[str, Any]]]:
    for key, spot, item in items:
        try:
            yield key, _sound_item(documents, item, spot)
        except _Unusable:
            continue


def _sound_item(documents: tuple[type[Struct], ...], item: object, spot: Spot) -> dict[str, Any]:
    if isinstance(item, dict):
        return _sound_table(documents, item, spot)
    spot.report("is not a table")  # what it is stays unsaid: perhaps a secret was pasted
    raise _Unusable


def _name_of(item: object) -> object:
    return item.get("id", item.get("parameter")) if isinstance(item, dict) else None


def _leaf(kind: Any, value: object, spot: Spot, name: str) -> object:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        _report_leaf(kind, value, spot, name, error)
        raise _Unusable from error
    return value


def _report_leaf(kind: Any, value: object, spot: Spot, name: str, error: Exception) -> None:
    """Say what would be right: of a list, for each item that is not."""
    item = containers(kind).get(tuple)
    if item is not None and isinstance(value, list):
        for position, each, fault in _item_faults(item, value):
            spot.report(_sentence(item, each, name, fault), name, item=position)
    else:
        spot.report(_sentence(kind, value, name, error), name)


def _item_faults(kind: Any, items: list[object]) -> Iterator[tuple[int, object, Exception]]:
    for position, each in enumerate(items):
        try:
            msgspec.convert(each, kind)
        except msgspec.ValidationError as fault:
            yield position, each, fault


def _sentence(kind: Any, value: object, name: str, error: Exception) -> str:
    """Say what would be right, for the mistakes that people make; of a row, for its first item that is not."""
    item = containers(kind).get(tuple)
    if item is not None and isinstance(value, list):
        return next((_sentence(item, each, name, fault) for _, each, fault in _item_faults(item, value)), "")
    if choices := words(kind):
        return _not_one_of(value, name, choices)
    right = expected(kind)
    if not right:
        return f"{value!r} is not right: {_lowered(error)}"
    if right.startswith("a text") and isinstance(value, int | float) and not isinstance(value, bool):
        return f'{value!r} is a number; write it in quotes, "{value}"'
    return f"{value!r} is not right; use {right}"


def _lowered(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


def _not_one_of(value: object, name: str, choices: list[str]) -> str:
    article = "an" if name[0] in "aeiou" else "a"
    return f"{value!r} is not {article} {name}; use one of {', '.join(choices)}{suggestion(value, choices)}"
