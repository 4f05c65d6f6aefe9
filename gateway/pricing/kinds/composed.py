"""The kinds that are made of other rules, and with them the closed set of all kinds."""

from functools import cached_property
from typing import Optional, TypeAlias

import msgspec

from gateway.pricing.bill import Bill, Line
from gateway.pricing.inputs import Inputs
from gateway.pricing.kinds.base_plus_extra import BasePlusExtra
from gateway.pricing.kinds.fixed import Fixed
from gateway.pricing.kinds.megapixel import Megapixel
from gateway.pricing.kinds.table import Table
from gateway.pricing.number import Number
from gateway.pricing.refusal import no_price, shown
from gateway.pricing.rule import Rule, amount, at_least_one


class PerUnit(Rule, frozen=True, tag="per_unit"):
    """A price for every `per` of a quantity: the amount `usd`, or what the rule `each` says.

    Portions are charged in part, or with `round_up` as whole ones once begun.
    """

    quantity: str
    usd: str | None = None
    each: Optional["PriceRule"] = None
    per: int = 1
    round_up: bool = False

    def __post_init__(self) -> None:
        at_least_one("per", self.per)
        if (self.usd is None) == (self.each is None):
            raise ValueError("per_unit has either usd or each, the rule for one")
        _ = self._unit

    @cached_property
    def _unit(self) -> int:
        return 0 if self.usd is None else amount("usd", self.usd)

    @cached_property
    def _what(self) -> str:
        name = self.quantity.replace("_", " ")
        return name.removesuffix("s") if self.per == 1 else f"{self.per:,} {name}"

    @property
    def parts(self) -> tuple[Rule, ...]:
        """The rule for one, where there is one."""
        return () if self.each is None else (self.each,)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The one quantity."""
        return (self.quantity,)

    def bill(self, inputs: Inputs) -> Bill:
        """Multiply."""
        measured = inputs.measure(self.quantity)
        portions = measured.begun(self.per) if self.round_up else measured.over(self.per)
        if self.each is None:
            return Bill((Line.of(self._what, self._unit, portions),), portions.assumptions)
        return self.each.bill(inputs).times(portions, self._what)


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """A price for requests in which a parameter, as upstream's text of it, is `equals`."""

    parameter: str
    equals: str
    ignore_case: bool = False
    price: "PriceRule"

    @cached_property
    def _text(self) -> str:
        return self.equals.casefold() if self.ignore_case else self.equals

    def applies(self, inputs: Inputs) -> bool:
        """Tell whether the request, or where it says nothing the schema's default, is such."""
        text = inputs.text(self.parameter)
        return text is not None and (text.casefold() if self.ignore_case else text) == self._text


class Conditional(Rule, frozen=True, tag="conditional"):
    """The price of the first `case` that applies, else `otherwise`."""

    case: tuple[Case, ...]
    otherwise: Optional["PriceRule"] = None

    def __post_init__(self) -> None:
        if not self.case:
            raise ValueError("case must not be empty")

    @property
    def parts(self) -> tuple[Rule, ...]:
        """The rules of all cases, and the fallback."""
        fallback = () if self.otherwise is None else (self.otherwise,)
        return (*(case.price for case in self.case), *fallback)

    @property
    def compares(self) -> tuple[tuple[str, str, bool], ...]:
        """What each case asks for."""
        return tuple((case.parameter, case.equals, case.ignore_case) for case in self.case)

    def bill(self, inputs: Inputs) -> Bill:
        """Charge by the first case; raises Refused (`model_unpriced`) where none applies and nothing else is said."""
        for case in self.case:
            if case.applies(inputs):
                return case.price.bill(inputs)
        if self.otherwise is not None:
            return self.otherwise.bill(inputs)
        name = self.case[0].parameter
        known = ", ".join(f"{case.parameter} {case.equals}" for case in self.case)
        raise no_price(name, f"{name} {shown(inputs.value(name))}; there is one for {known}")


class Sum(Rule, frozen=True, tag="sum"):
    """The sum of its parts: classes of tokens, or a machine's time and the delivery of what it made."""

    part: tuple["PriceRule", ...]

    def __post_init__(self) -> None:
        if not self.part:
            raise ValueError("part must not be empty")

    @property
    def parts(self) -> tuple[Rule, ...]:
        """What is added."""
        return self.part

    def bill(self, inputs: Inputs) -> Bill:
        """Charge every part."""
        lines: list[Line] = []
        assumptions: list[str] = []
        quantities: dict[str, Number] = {}
        for part in self.part:
            bill = part.bill(inputs)
            lines += bill.lines
            assumptions += bill.assumptions
            if bill.quantities:
                quantities.update(bill.quantities)
        return Bill(tuple(lines), tuple(dict.fromkeys(assumptions)), quantities)  # each once, in their order


PriceRule: TypeAlias = Fixed | PerUnit | Table | BasePlusExtra | Conditional | Sum | Megapixel
