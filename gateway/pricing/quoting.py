"""Quotes: what a request should cost and the most that it can, with the reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.errors import Code, Refused
from gateway.domain.money import MAX_UNITS, format_usd
from gateway.pricing.bill import Bill, Line, Quantity
from gateway.pricing.inputs import Inputs
from gateway.pricing.kinds import PriceRule
from gateway.pricing.model import Model


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of one request, before it runs; `estimate` and `hold` in units of 1e-8 USD.

    `estimate` is what it should cost and the sum of the `lines`, `hold` the most that it can. `quantities` are
    upper bounds of derived numbers, for guards.
    """

    model: str
    price_version: str
    estimate: int
    hold: int
    lines: tuple[Line, ...]
    assumptions: tuple[str, ...]
    quantities: Mapping[str, Quantity]

    def as_json(self) -> dict[str, Any]:
        """Give the quote as it is answered, money as decimal strings of US dollars."""
        return {
            "model": self.model,
            "estimate_usd": format_usd(self.estimate),
            "hold_usd": format_usd(self.hold),
            "price_version": self.price_version,
            "lines": [_line_json(line) for line in self.lines],
            "assumptions": list(self.assumptions),
        }


def price_rule(model: Model) -> PriceRule:
    """Give the rule of a model; refuse (`model_unpriced`) where there is none, or a draft that nobody confirmed."""
    if not model.price_confirmed:
        raise _unpriced(model, "is a draft that nobody has confirmed; ask the operator to compare and confirm it")
    if model.price is None:
        raise _unpriced(model, "is not known here, so its cost cannot be bounded; ask the operator to price it")
    return model.price


def quote(model: Model, input: Mapping[str, Any]) -> Quote:
    """Price a request.

    Raises Refused: `model_unpriced` as `price_rule` does, `invalid_input` where the price cannot be bounded or
    passes MAX_UNITS. Total for any JSON object, validated or not: nothing else is raised.
    """
    return _quote(model.slug, model.price_version, price_rule(model).bill(Inputs(model.input, input)))


def unpriced_quote(slug: str, hold: int) -> Quote:
    """Quote a model without a price at the account's amount for such (units of 1e-8 USD).

    The estimate is the hold: if upstream never states the cost, the estimate is what is charged.
    """
    assumption = f"{slug} has no price: the account's amount for unpriced models is held"
    return _quote(slug, "", Bill((Line.of("unpriced request", 1, hold),), hold, (assumption,)))


def _unpriced(model: Model, why: str) -> Refused:
    return Refused(Code.MODEL_UNPRICED, f"the price of {model.slug} {why}", extra={"model": model.slug})


def _quote(slug: str, price_version: str, bill: Bill) -> Quote:
    estimate = sum(line.amount for line in bill.lines)
    hold = max(bill.hold, estimate)  # a rule that says less is wrong, and is not to let money through
    if hold > MAX_UNITS:
        raise Refused(
            Code.INVALID_INPUT, f"the request could cost more than {format_usd(MAX_UNITS)} USD; ask for less"
        )
    return Quote(slug, price_version, estimate, hold, bill.lines, bill.assumptions, bill.quantities)


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "what": line.what,
        "quantity": line.quantity,
        "unit_usd": format_usd(line.unit),
        "usd": format_usd(line.amount),
    }
