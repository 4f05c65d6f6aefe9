"""What a price rule may ask about a request: the values given, and the schema's defaults behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.pricing.parameter import Parameter
from gateway.pricing.refusal import invalid, shown


@dataclass(slots=True)
class Inputs:
    """One request's input beside its model's schema; null counts as not given, as upstream reads it.

    The schema need not name a parameter that the price depends on, so nothing here trusts what `validate` saw.
    """

    schema: Mapping[str, Parameter]
    input: Mapping[str, Any]

    def default(self, name: str) -> Any:
        """Give the schema's default of a parameter, None if there is none."""
        parameter = self.schema.get(name)
        return None if parameter is None else parameter.default

    def value(self, name: str) -> Any:
        """Give the value of a parameter or, where it is absent, the schema's default."""
        value = self.input.get(name)
        return self.default(name) if value is None else value

    def count(self, name: str) -> int:
        """Give how many are asked for, 1 where neither request nor schema says.

        Raises Refused for what is not an integer of at least 1: a count that cannot be read has no upper bound.
        """
        value = self.value(name)
        if value is None:
            return 1
        if type(value) is not int or value < 1:
            raise invalid(name, f"{name} sets the price: it must be an integer of at least 1, not {shown(value)}")
        return value

    def length(self, name: str) -> int:
        """Give how many items a list has; a text alone, as in `image_url`, is one, an absent list none.

        Raises Refused for anything else, since its items cannot be counted.
        """
        value = self.value(name)
        if value is None:
            return 0
        if isinstance(value, str):
            return 1
        if not isinstance(value, list | tuple):
            raise invalid(name, f"{name} sets the price: it must be an array or a string, not {shown(value)}")
        return len(value)
