"""A bill: what a price rule answers, before it bears a model's name."""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import msgspec

from gateway.pricing.measure import Measure
from gateway.pricing.number import Number, whole

ONCE = Measure(1, 1)
_NOTHING: Mapping[str, Number] = MappingProxyType({})


class Line(msgspec.Struct, frozen=True):
    """One line of a bill: so much of `what` at `unit` each, in units of 1e-8 USD.

    `quantity` is what it should be and `most` what it can be, both as counts of 1/`per`. Amounts are rounded up to a
    whole unit, so that none is below the true one.
    """

    what: str
    unit: int
    quantity: int
    most: int
    per: int = 1

    @classmethod
    def of(cls, what: str, unit: int, measure: Measure = ONCE, per: int = 1) -> "Line":
        """Price a measure at `unit` for every `per` of it."""
        return cls(what, unit, measure.likely, measure.most, measure.per * per)

    @property
    def amount(self) -> int:
        """What the line should cost, in units of 1e-8 USD."""
        return -(-self.quantity * self.unit // self.per)

    @property
    def hold(self) -> int:
        """The most that the line can cost, in units of 1e-8 USD."""
        return -(-self.most * self.unit // self.per)

    @property
    def number(self) -> Number:
        """The quantity as a number, in what `unit` is the price of."""
        return whole(Fraction(self.quantity, self.per))

    def times(self, measure: Measure, what: str) -> "Line":
        """Take the line so many times; `what` is what it is taken for."""
        quantity, most = self.quantity * measure.likely, self.most * measure.most
        return Line(f"{what}, {self.what}", self.unit, quantity, most, self.per * measure.per)


class Bill(msgspec.Struct, frozen=True):
    """What a request should cost and the most that it can, line by line.

    `assumptions` say in words why the two differ, or what was taken for granted. `quantities` are upper bounds of
    what the rule itself derived, for guards.
    """

    lines: tuple[Line, ...]
    assumptions: tuple[str, ...] = ()
    quantities: Mapping[str, Number] = _NOTHING

    def times(self, measure: Measure, what: str) -> "Bill":
        """Take every line so many times."""
        lines = tuple([line.times(measure, what) for line in self.lines])
        assumed = dict.fromkeys(measure.assumptions + self.assumptions)  # each once
        return Bill(lines, tuple(assumed), self.quantities)
