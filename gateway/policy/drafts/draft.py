"""The draft: a publication as a model file, whose price is for somebody to confirm."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, TypeAlias

import msgspec
import tomlkit
from tomlkit.items import Table

from gateway.policy.drafts.price import draft_price
from gateway.policy.drafts.publication import PriceRow, Publication
from gateway.policy.drafts.schema import Drafted, draft_parameter, one_line
from gateway.policy.drafts.sentence import SHARED, DraftedPrice, value_of
from gateway.pricing import Model
from gateway.pricing.number import read_number

_Schema: TypeAlias = Mapping[str, Mapping[str, Any]]
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
    schema = {name: parameter.fields for name, parameter in drafted.items() if parameter.fields}
    price, remarks = _price(publication, schema)
    model = tomlkit.table()
    model["slug"] = publication.slug
    model["price_version"] = publication.updated or today.isoformat()
    model["source"] = publication.source
    model["price_confirmed"] = False
    if publication.run_seconds:
        model["usual_run_seconds"] = publication.run_seconds
        model["max_run_seconds"] = max(600, 10 * publication.run_seconds)
    for remark in (*remarks, *_left_out(drafted)):
        model.add(tomlkit.comment(remark))
    if quantities := _guarded(schema) | (price.quantities if price else {}):
        model["quantity"] = _tables(quantities)
    if price:
        model["price"] = _rule(price.rule)
    model["input"] = _tables(schema)
    return model


def _price(publication: Publication, schema: _Schema) -> tuple[DraftedPrice | None, list[str]]:
    """Give the price, where what upstream says can mean only one, and what is to be told of it."""
    remarks = [f"Upstream says of the price: {one_line(sentence)}" for sentence in publication.prices]
    remarks = remarks or ["Upstream's schema says nothing of the price; the model's page does."]
    # Where there is a table it says everything: a sentence beside it may be one row of it.
    ways = [publication.rows] if publication.rows else [(PriceRow("", each),) for each in publication.prices]
    price = next((found for rows in ways if (found := draft_price(rows, schema))), None)
    fault = _fault(publication.slug, price, schema) if price else None
    if price and fault is None:
        return price, remarks
    unfit = [f"Read as a price, it does not fit the parameters: {fault}"] if fault else []
    return None, [*remarks, *unfit, "A [model.price] with its kind and amounts belongs here."]


def _fault(slug: str, price: DraftedPrice, schema: _Schema) -> str | None:
    """Say why a model cannot have this price, such as a value compared that its parameter never has."""
    try:
        msgspec.convert({"slug": slug, "price": price.rule, "quantity": price.quantities, "input": schema}, Model)
    except msgspec.ValidationError as error:
        return one_line(str(error))
    return None


def _guarded(schema: _Schema) -> dict[str, dict[str, str]]:
    """Give what guards of many models bound, so that those of the policy bind this one too, whatever its price."""
    return {SHARED[name]: value_of(name) for name in SHARED if name in schema and _always_counts(schema[name])}


def _always_counts(fields: Mapping[str, Any]) -> bool:
    """Tell whether a parameter is there in every request, as a number above 0; elsewhere it would refuse some."""
    stated = fields.get("required") or "default" in fields
    choices = fields.get("one_of") or [fields.get("min")]
    return bool(stated) and all(map(read_number, choices))


def _left_out(drafted: Mapping[str, Drafted]) -> Iterator[str]:
    for name, parameter in drafted.items():
        for note in parameter.notes:
            yield f"Of parameter {one_line(name, 60)}: {note}"


def _tables(entries: Mapping[str, Mapping[str, Any]]) -> Table:
    tables = tomlkit.table(is_super_table=True)
    for name, fields in entries.items():
        tables[name] = _parameter(fields)
    return tables


def _rule(rule: Mapping[str, Any]) -> Table:
    """Write a rule, the rows of a table each in a line."""
    table = tomlkit.table()
    for field, value in rule.items():
        table[field] = tomlkit.item(value).multiline(True) if field == "rows" else value
    return table


def _parameter(fields: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    for field, value in fields.items():
        table[field] = _inline(value) if isinstance(value, dict) else value
    return table


def _inline(value: Mapping[str, Any]) -> Any:
    inline = tomlkit.inline_table()
    inline.update(value)
    return inline
