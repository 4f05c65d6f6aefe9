"""Quantities that the request states itself: the number in a parameter, or how many items it has."""

from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from gateway.pricing.quantity import QuantityRule


class Value(QuantityRule, frozen=True, kw_only=True, tag="value"):
    """The number that a parameter has, as a number or as a text that says one; where it is absent, its default."""

    parameter: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The one parameter."""
        return (self.parameter,)

    def measure(self, inputs: Inputs, _name: str, /) -> Measure:
        """Raises Refused for what is not a number above 0."""
        return Measure.exactly(inputs.number(self.parameter))


class Items(QuantityRule, frozen=True, kw_only=True, tag="items"):
    """How many items a parameter has; a text alone is one, an absent parameter none."""

    parameter: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The one parameter."""
        return (self.parameter,)

    @property
    def lengths(self) -> tuple[str, ...]:
        """The same."""
        return self.parameters

    def measure(self, inputs: Inputs, _name: str, /) -> Measure:
        """Raises Refused for what has no items that could be counted."""
        return Measure.exactly(inputs.length(self.parameter))
