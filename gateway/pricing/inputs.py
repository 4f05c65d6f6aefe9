"""What a price rule may ask about a request: the values given, the schema's defaults behind them, and quantities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.pricing.measure import Measure
from gateway.pricing.number import Number, read_number, read_text
from gateway.pricing.parameter import Parameter
from gateway.pricing.refusal import invalid, shown


class Measurable(Protocol):
    """A quantity, as a model's file defines it."""

    def measure(self, inputs: "Inputs", name: str, /) -> Measure:
        """Measure it in one request, under its name."""


@dataclass(slots=True)
class Inputs:
    """One request's input beside its model's schema; null counts as not given, as upstream reads it.

    The schema need not name a parameter that the price depends on, so nothing here trusts what `validate` saw.
    `sources` are the pixels of the input images where somebody has looked, in their order; None where nobody could.
    `images` is the parameter whose images the price asks for, once it has asked. `told` are quantities of which a run
    has told how much they came to.
    """

    schema: Mapping[str, Parameter]
    input: Mapping[str, Any]
    definitions: Mapping[str, Measurable] = field(default_factory=dict)
    sources: Sequence[int | None] = ()
    images: str | None = None
    told: Mapping[str, Number] = field(default_factory=dict)
    _measured: dict[str, Measure] = field(default_factory=dict)

    def measure(self, name: str) -> Measure:
        """Measure a quantity that the model defines, once for each request."""
        if (measured := self._measured.get(name)) is None:
            told = self.told.get(name)
            measured = self.definitions[name].measure(self, name) if told is None else Measure.exactly(told)
            self._measured[name] = measured
        return measured

    def seen(self, name: str) -> Sequence[int | None]:
        """Give the pixels of a parameter's images, as far as somebody has looked, and note that they are wanted."""
        self.images = name
        return self.sources

    def default(self, name: str) -> Any:
        """Give the schema's default of a parameter, None if there is none."""
        parameter = self.schema.get(name)
        return None if parameter is None else parameter.default

    def value(self, name: str) -> Any:
        """Give the value of a parameter or, where it is absent, the schema's default."""
        value = self.input.get(name)
        return self.default(name) if value is None else value

    def text(self, name: str) -> str | None:
        """Give a parameter as the text that upstream compares; None where it has none."""
        return read_text(self.value(name))

    def number(self, name: str) -> Number:
        """Give a parameter that sets the price as an exact number.

        Raises Refused for what is not a number above 0: none of it would be free, and less than none a discount.
        """
        value = self.value(name)
        number = read_number(value)
        if not number:
            raise invalid(name, f"{name} sets the price: it must be a number above 0, not {shown(value)}")
        return number

    def count(self, name: str) -> int:
        """Give how many are asked for, 1 where neither request nor schema says.

        Raises Refused for what is not a whole number of at least 1: a count that cannot be read has no upper bound.
        """
        value = self.value(name)
        if value is None:
            return 1
        number = read_number(value)
        if not isinstance(number, int) or number < 1:
            raise invalid(name, f"{name} sets the price: it must be an integer of at least 1, not {shown(value)}")
        return number

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
