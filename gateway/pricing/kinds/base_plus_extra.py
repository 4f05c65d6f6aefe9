"""An amount that covers the first so many of a quantity, and another for each further one."""

from functools import cached_property

from gateway.pricing.bill import Bill, Line
from gateway.pricing.inputs import Inputs
from gateway.pricing.number import Number
from gateway.pricing.quantity import bound
from gateway.pricing.rule import Rule, amount


class BasePlusExtra(Rule, frozen=True, tag="base_plus_extra"):
    """A price of `base_usd + extra_usd × max(0, quantity − included)`; `round_up` counts begun ones whole."""

    quantity: str
    included: int | str
    base_usd: str
    extra_usd: str
    round_up: bool = False

    def __post_init__(self) -> None:
        _ = self._base, self._extra, self._included

    @cached_property
    def _base(self) -> Line:
        return Line.of(f"first {self.included} {self._name}", amount("base_usd", self.base_usd))

    @cached_property
    def _name(self) -> str:
        return self.quantity.replace("_", " ")

    @cached_property
    def _included(self) -> Number:
        return bound("included", self.included)

    @cached_property
    def _extra(self) -> int:
        return amount("extra_usd", self.extra_usd)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The one quantity."""
        return (self.quantity,)

    def bill(self, inputs: Inputs) -> Bill:
        """Charge the base, and what is beyond the included amount."""
        measured = inputs.measure(self.quantity)
        extra = measured.beyond(self._included)
        if self.round_up:
            extra = extra.begun(1)
        return Bill((self._base, Line.of(f"extra {self._name}", self._extra, extra)), measured.assumptions)
