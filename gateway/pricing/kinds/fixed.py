"""One amount per request, whatever its input."""

from functools import cached_property

from gateway.pricing.bill import Bill, Line
from gateway.pricing.inputs import Inputs
from gateway.pricing.rule import Rule, amount


class Fixed(Rule, frozen=True, tag="fixed"):
    """A price of `usd` per request."""

    usd: str

    def __post_init__(self) -> None:
        _ = self._bill

    @cached_property
    def _bill(self) -> Bill:
        return Bill((Line.of("request", amount("usd", self.usd)),))

    def bill(self, inputs: Inputs) -> Bill:  # noqa: ARG002 (every kind is asked in the same way)
        """Charge the amount once."""
        return self._bill
