"""Model pages: the text of a page of the upstream's site, as it is saved or given to language models.

Line ends may be lost in saving, so nothing here depends on them: headings and the bars of tables are what is read.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.policy.drafts.publication import PriceRow, Publication, PublicationUnreadable

_COLUMNS = frozenset(("parameter", "type", "required", "default", "constraints", "description"))
#: A fact in the lists at the top: "- **Model Slug:** nano-banana".
_FACT = r"- \*\*{}:\*\*\s*(.+?)\s*(?=- \*\*|#|\n|$)"
_NUMBER = r"(-?[0-9]{1,18}(?:\.[0-9]{1,18})?)"
_RANGE = re.compile(rf"{_NUMBER}\s*[–—-]\s*{_NUMBER}")
#: The words of a JSON schema for the least and the most, by type.
_BOUNDS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
}


def read_page(text: str) -> Publication:
    """Read the text of a model page. Raises PublicationUnreadable where it names no model or no parameters."""
    slug = _fact(text, "Model Slug")
    if slug is None:
        raise PublicationUnreadable(
            'the text is no model page: it has no "**Model Slug:**"; save what is at its address + /llms.txt'
        )
    rows = _rows(text, "## Input Schema")
    if not rows or not rows[0].keys() >= _COLUMNS:
        raise PublicationUnreadable('the page has no table of parameters below "## Input Schema"')
    prices = tuple(_price_rows(text))
    run = re.match(r"[0-9]{1,6}", _fact(text, "Estimated Processing Time") or "")
    return Publication(
        slug=slug,
        title=re.sub(r"\s+", " ", text.partition("## ")[0].strip(" #\n"))[:200],
        source=_fact(text, "Interactive Demo") or "",
        properties={row["parameter"]: _property(row) for row in rows},
        required=frozenset(row["parameter"] for row in rows if row["required"].lower() == "yes"),
        prices=tuple(_prices(text, prices)),
        rows=prices,
        updated=_fact(text, "Last Updated"),
        run_seconds=int(run[0]) if run else None,
    )


def _fact(text: str, name: str) -> str | None:
    found = re.search(_FACT.format(re.escape(name)), text)
    return found[1] if found else None


def _prices(text: str, rows: Sequence[PriceRow]) -> Iterator[str]:
    """Give every sentence about the price once: the facts, and the rows of the table with their conditions."""
    said = [_fact(text, "Pricing Details"), _fact(text, "Base Cost")]
    said += [f"{row.condition}: {row.price}" if row.condition else row.price for row in rows]
    example = _fact(text, r"Estimated Price (default example)")
    said.append(f"its default example: {example}" if example else None)
    yield from dict.fromkeys(sentence for sentence in said if sentence)


def _price_rows(text: str) -> Iterator[PriceRow]:
    """Give the table of prices, in either form: "Condition | Pricing", or "Rule | Condition | Price"."""
    for row in _rows(text, "### Pricing Rules"):
        condition, price = row.get("condition", ""), row.get("pricing") or row.get("price", "")
        yield PriceRow("" if re.fullmatch(r"Rule \d+", condition) else condition, price)


def _rows(text: str, heading: str) -> list[dict[str, str]]:
    """Give the rows of the table below a heading by the names of its columns, in lower case."""
    section = re.split(r"#{2,} ", text.partition(heading)[2], maxsplit=1)[0]
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", section)][1:]
    # Between two rows lies an empty cell: the end of a line, or the blank that is left of it.
    columns = cells.index("") if "" in cells else 0
    if not columns:
        return []
    rows = [cells[first : first + columns] for first in range(0, len(cells) - columns + 1, columns + 1)]
    head = [name.lower() for name in rows[0]]
    return [dict(zip(head, row, strict=True)) for row in rows[2:]]


def _property(row: dict[str, str]) -> dict[str, Any]:
    """Write a row as the JSON schema that it stands for."""
    kind = row["type"].lower()
    schema: dict[str, Any] = {"type": kind, "description": row["description"].removeprefix("-")}
    if row["default"] not in ("", "-"):
        schema["default"] = _value(row["default"], kind)
    bounds = _RANGE.fullmatch(row["constraints"])
    if bounds and kind in _BOUNDS:
        schema |= zip(_BOUNDS[kind], map(_bound, bounds.groups()), strict=True)
    elif row["constraints"] not in ("", "-"):
        schema["enum"] = [_value(part.strip(), kind) for part in row["constraints"].split(",")]
    return schema


def _bound(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _value(text: str, kind: str) -> object:
    """Read a value of a type; what cannot be read stays text, which does not fit the type and is left out with it."""
    if kind == "string":
        return text
    try:
        return json.loads(text.lower() if kind == "boolean" else text)
    except ValueError:
        return text
