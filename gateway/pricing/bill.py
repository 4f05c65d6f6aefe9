"""A bill: what a price rule answers, before it bears a model's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

#: A derived number that a guard may bound, such as the megapixels of one image: always an upper bound.
Quantity: TypeAlias = int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an estimate: `quantity` of `what` at `unit` each; `unit` and `amount` in units of 1e-8 USD."""

    what: str
    quantity: int
    unit: int
    amount: int

    @classmethod
    def of(cls, what: str, quantity: int, unit: int) -> "Line":
        """Multiply a quantity by its unit price."""
        return cls(what, quantity, unit, quantity * unit)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a request should cost and the most that it can.

    The `lines` sum to the estimate; `hold` is in units of 1e-8 USD and never below that sum. `assumptions` say in
    words why the two differ, or what was taken for granted. `quantities` are what guards may bound.
    """

    lines: tuple[Line, ...]
    hold: int
    assumptions: tuple[str, ...] = ()
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
