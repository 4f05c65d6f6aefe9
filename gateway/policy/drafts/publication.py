"""A publication: what upstream says of a model, before anything is made of it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec


class PublicationUnreadable(Exception):
    """Says why an answer or a page is no description of a model."""


class PriceRow(NamedTuple):
    """A row of the table of prices: its condition, empty where it has none, and what it says of the price."""

    condition: str
    price: str


@dataclass(frozen=True, slots=True)
class Publication:
    """One model as upstream describes it.

    `properties` are its parameters by name, each a JSON schema; `prices` are the sentences that speak of its price,
    `rows` its table of prices, of which the first that applies decides; `updated` is the day of the description, as
    upstream writes it, and `run_seconds` its usual time.
    """

    slug: str
    title: str
    source: str
    properties: dict[str, dict[str, Any]]
    required: frozenset[str] = frozenset()
    prices: tuple[str, ...] = ()
    rows: tuple[PriceRow, ...] = ()
    updated: str | None = None
    run_seconds: int | None = None


class _Schema(msgspec.Struct):
    properties: dict[str, dict[str, Any]] = {}
    required: list[str] = []


class _Answer(msgspec.Struct):
    slug: str
    title: str = ""
    request_schema: _Schema = msgspec.field(default_factory=_Schema)


def read_answer(body: bytes, source: str) -> Publication:
    """Read the answer to `GET /v1/model?slug=`; it says nothing of the price. Raises PublicationUnreadable."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except msgspec.MsgspecError as error:
        raise PublicationUnreadable(f"the answer is no description of a model: {error}") from error
    schema = answer.request_schema
    return Publication(answer.slug, answer.title, source, schema.properties, frozenset(schema.required))
