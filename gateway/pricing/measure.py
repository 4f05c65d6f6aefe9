"""A measure: how much of something a request asks for, as it should be and at the most."""

from fractions import Fraction
from math import lcm

import msgspec

from gateway.pricing.number import Number, whole


class Measure(msgspec.Struct, frozen=True):
    """A quantity of a request: `likely` and `most` are counts of 1/`per`, so that 5.5 seconds are 55 at per 10.

    They are equal where the request decides the quantity; where it does not, `assumptions` say in words what was
    assumed. `likely` is never above `most`, and neither is below 0.
    """

    likely: int
    most: int
    per: int = 1
    assumptions: tuple[str, ...] = ()

    @classmethod
    def exactly(cls, number: Number) -> "Measure":
        """Measure what the request decides."""
        return cls(number.numerator, number.numerator, number.denominator)

    @classmethod
    def between(cls, likely: Number, most: Number, *assumptions: str) -> "Measure":
        """Measure what the request leaves open."""
        per = lcm(likely.denominator, most.denominator)
        likely, most = likely * per, most * per
        return cls(likely.numerator, most.numerator, per, assumptions)

    def assuming(self, *assumptions: str) -> "Measure":
        """Say more of what was assumed."""
        return Measure(self.likely, self.most, self.per, self.assumptions + assumptions)

    def times(self, other: "Measure") -> "Measure":
        """Multiply two measures."""
        assumed = self.assumptions
        assumed += tuple(text for text in other.assumptions if text not in assumed)
        return Measure(self.likely * other.likely, self.most * other.most, self.per * other.per, assumed)

    def over(self, divisor: int) -> "Measure":
        """Divide by a whole number."""
        return Measure(self.likely, self.most, self.per * divisor, self.assumptions)

    def beyond(self, included: Number) -> "Measure":
        """Give what is above an included amount, 0 where nothing is."""
        free, scale = included.numerator * self.per, included.denominator
        likely, most = max(0, self.likely * scale - free), max(0, self.most * scale - free)
        return Measure(likely, most, self.per * scale, self.assumptions)

    def begun(self, size: int) -> "Measure":
        """Count begun portions of a size, each as a whole one."""
        portion = size * self.per
        return Measure(-(-self.likely // portion), -(-self.most // portion), 1, self.assumptions)

    @property
    def bound(self) -> Number:
        """The most as a number."""
        return self.most if self.per == 1 else whole(Fraction(self.most, self.per))
