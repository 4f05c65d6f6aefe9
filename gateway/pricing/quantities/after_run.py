"""A quantity that only the run decides: how long the output became, how long a machine was busy."""

from functools import cached_property

from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from gateway.pricing.number import Number, show_number
from gateway.pricing.quantity import QuantityRule, bound


class AfterRun(QuantityRule, frozen=True, kw_only=True, tag="after_run"):
    """Estimated at `usual`, held at `most`; numbers, decimal ones as text.

    `limit_parameter` names a parameter by which a request lowers the most, such as `max_tokens`. Where nobody states
    a bound, the model's file says how its `most` was chosen, and a run beyond it is settled as an overrun.
    """

    usual: int | str
    most: int | str
    limit_parameter: str = ""

    def __post_init__(self) -> None:
        if self._usual > self._most:
            raise ValueError(f"usual {self.usual} is above most {self.most}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The limiting parameter, where there is one."""
        return (self.limit_parameter,) if self.limit_parameter else ()

    @cached_property
    def _usual(self) -> Number:
        return bound("usual", self.usual)

    @cached_property
    def _most(self) -> Number:
        return bound("most", self.most)

    @cached_property
    def _unlimited(self) -> Measure:
        return self._up_to(self._most)

    def measure(self, inputs: Inputs, name: str, /) -> Measure:
        """Raises Refused for a limit that is not a number above 0."""
        measured = self._unlimited
        if self.limit_parameter and inputs.value(self.limit_parameter) is not None:
            measured = self._up_to(min(self._most, inputs.number(self.limit_parameter)))
        text = f"{name.replace('_', ' ')} {measured.assumptions[0]}"
        return Measure(measured.likely, measured.most, measured.per, (text,))

    def _up_to(self, most: Number) -> Measure:
        usual = min(self._usual, most)
        text = f"are known only after the run: estimated at {show_number(usual)}, held at {show_number(most)}"
        return Measure.between(usual, most, text)
