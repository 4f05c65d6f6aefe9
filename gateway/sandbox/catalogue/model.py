"""One model of the sandbox: what it takes, what it returns, what a run of it costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

Schema = dict[str, object]
Facts = dict[str, int | str]
Given = Mapping[str, Any]
MICRO_CENT = Decimal("0.00000001")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model as published, and the bill of a run.

    `price` and `told` are asked with every default filled in; `price` draws from a source of chance what only a run
    decides, such as how long its output became.
    """

    slug: str
    title: str
    output_type: str
    request_schema: Schema
    price: Callable[[Given, Random], Decimal]
    told: Callable[[Given], Facts] = lambda _given: {}
    sync: bool = False
    """Whether /v1/prediction/run serves it."""

    def cost(self, given: Given, chance: Random) -> Decimal:
        """What a run of a valid input comes to, in whole micro-cents, as upstream bills."""
        return self.price(self._whole(given), chance).quantize(MICRO_CENT, ROUND_HALF_UP)

    def facts(self, given: Given) -> Facts:
        """What of an input decides the price, for the books."""
        return self.told(self._whole(given))

    def published(self) -> dict[str, object]:
        """The model as /v1/models shows it."""
        return {
            "title": self.title,
            "slug": self.slug,
            "version": "0.0.1",
            "output_type": self.output_type,
            "request_schema": self.request_schema,
        }

    def _whole(self, given: Given) -> Given:
        properties: Any = self.request_schema["properties"]
        defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
        return defaults | {name: value for name, value in given.items() if value is not None}


def word(value: object) -> str:
    """A value as the text that upstream's rules compare."""
    return str(value).lower() if isinstance(value, bool) else str(value)
