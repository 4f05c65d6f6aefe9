"""The draft: a publication as a model file, whose price is for somebody to confirm."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import tomlkit
from tomlkit.items import Table

from gateway.domain.money import MoneyError, parse_usd
from gateway.policy.drafts.publication import Publication
from gateway.policy.drafts.schema import Drafted, draft_parameter, one_line

_MEGAPIXEL = re.compile(
    r"per-megapixel pricing: \$([\d.]+) base \+ \$([\d.]+)/extra mp \(ceil rounding\)", re.IGNORECASE
)
_FIXED = re.compile(r"\$([\d.]+)(?: per (?:run|request|execution|generation))?", re.IGNORECASE)
_HEAD = """\
{title}, drafted by `gateway models add` on {day}.
Every create of it is refused until its price is confirmed: compare it with the source below, set what is wrong or
missing, and remove the line `price_confirmed = false`. `gateway check` and `gateway quote` help with it."""


def write_draft(publication: Publication, today: date) -> str:
    """Write the file. `gateway check` takes it, and tells that the model is refused until it is confirmed."""
    document = tomlkit.document()
    title = one_line(publication.title, 100) or publication.slug
    for line in _HEAD.format(title=title, day=today).splitlines():
        document.add(tomlkit.comment(line))
    entries = tomlkit.aot()
    entries.append(_model(publication, today))
    document.append("model", entries)
    return tomlkit.dumps(document)


def _model(publication: Publication, today: date) -> Table:
    drafted = {
        name: draft_parameter(schema, required=name in publication.required)
        for name, schema in publication.properties.items()
    }
    rule = next((found for sentence in publication.prices if (found := _rule(sentence))), None)
    model = tomlkit.table()
    model["slug"] = publication.slug
    model["price_version"] = publication.updated or today.isoformat()
    model["source"] = publication.source
    model["price_confirmed"] = False
    if publication.run_seconds:
        model["usual_run_seconds"] = publication.run_seconds
        model["max_run_seconds"] = max(600, 10 * publication.run_seconds)
    for remark in (*_price_remarks(publication, rule), *_left_out(drafted)):
        model.add(tomlkit.comment(remark))
    if rule:
        model["price"] = rule
    model["input"] = _inputs(drafted)
    return model


def _price_remarks(publication: Publication, rule: Mapping[str, str] | None) -> Iterator[str]:
    for sentence in publication.prices:
        yield f"Upstream says of the price: {one_line(sentence)}"
    if not publication.prices:
        yield "Upstream's schema says nothing of the price; the model's page does."
    if rule is None:
        yield "A [model.price] with its kind and amounts belongs here."


def _rule(sentence: str) -> dict[str, str] | None:
    """Give the price rule of a sentence that can mean only one; None for any other."""
    if (found := _MEGAPIXEL.fullmatch(sentence)) and _amounts(found[1], found[2]):
        return {"kind": "megapixel", "base_usd": found[1], "extra_usd": found[2]}
    if (found := _FIXED.fullmatch(sentence)) and _amounts(found[1]):
        return {"kind": "fixed", "usd": found[1]}
    return None


def _amounts(*texts: str) -> bool:
    try:
        return all(parse_usd(text) >= 0 for text in texts)
    except MoneyError:
        return False


def _left_out(drafted: Mapping[str, Drafted]) -> Iterator[str]:
    for name, parameter in drafted.items():
        for note in parameter.notes:
            yield f"Of parameter {one_line(name, 60)}: {note}"


def _inputs(drafted: Mapping[str, Drafted]) -> Table:
    inputs = tomlkit.table(is_super_table=True)
    for name, parameter in drafted.items():
        if parameter.fields:
            inputs[name] = _parameter(parameter.fields)
    return inputs


def _parameter(fields: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    for field, value in fields.items():
        table[field] = _inline(value) if isinstance(value, dict) else value
    return table


def _inline(value: Mapping[str, Any]) -> Any:
    inline = tomlkit.inline_table()
    inline.update(value)
    return inline
