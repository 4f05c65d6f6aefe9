"""One amount per request, whatever its input."""

from functools import cached_property

from gateway.pricing.bill import Bill, Line
from gateway.pricing.inputs import Inputs
from gateway.pricing.rule import Rule, amount


class Fixed(Rule, frozen=True, tag="fixed"):
    """A price of `usd` per request."""

    usd: str

    def __post_init__(self) -> None:
        _ = self.price

    @cached_property
    def price(self) -> int:
        """The price in units of 1e-8 USD."""
        return amount("usd", self.usd)

    def bill(self, inputs: Inputs) -> Bill:  # noqa: ARG002 (every kind is asked in the same way)
        """Charge the amount once."""
        return Bill(lines=(Line.of("request", 1, self.price),), hold=self.price)
