"""Quotes: what a request should cost and the most that it can, with the reasons."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.domain.errors import Code, Refused
from gateway.domain.money import MAX_UNITS, format_usd
from gateway.pricing.bill import Bill, Line
from gateway.pricing.facts import write_facts
from gateway.pricing.inputs import Inputs
from gateway.pricing.kinds import PriceRule
from gateway.pricing.model import Model
from gateway.pricing.number import Number, read_number, show_number

#: Names of quantities that a quote may have beside those that the model's file defines.
DERIVED = frozenset({"images", "pixels", "megapixels", "total_megapixels", "total_pixels"})
_MEGAPIXEL = 1_000_000


class Quote(msgspec.Struct, frozen=True):
    """The price of one request, before it runs; `estimate` and `hold` in units of 1e-8 USD.

    `estimate` is what it should cost and the sum of the `lines`, `hold` the most that it can. `quantities` are
    upper bounds of what is priced and of what the model's file defines besides, for guards. `facts` are what of the
    request decided the price, as `write_facts` writes them.
    """

    model: str
    price_version: str
    estimate: int
    hold: int
    lines: tuple[Line, ...]
    assumptions: tuple[str, ...]
    quantities: Mapping[str, Number]
    facts: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give the quote as it is answered: money as decimal strings of US dollars, and so a fraction of a unit."""
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


def quote(model: Model, input: Mapping[str, Any], sources: Sequence[int | None] = ()) -> Quote:
    """Price a request; `sources` are the pixels of its input images, where somebody has looked.

    Raises Refused: `model_unpriced` as `price_rule` does and for values for which the rule has no price,
    `invalid_input` where the price cannot be bounded or passes MAX_UNITS. Total for any JSON object, validated or
    not: nothing else is raised.
    """
    inputs = Inputs(model.input, input, model.quantity, sources)
    bill = price_rule(model).bill(inputs)
    facts = write_facts(model, input, sources)
    return _quote(model.slug, model.price_version, bill, _quantities(model, inputs, bill), facts)


def metered_cost(model: Model, input: Mapping[str, Any], usage: Mapping[str, Any]) -> int | None:
    """Price a run by what its answer tells in `usage`, in units of 1e-8 USD; None where that leaves the cost open."""
    told = {name: _told(usage, rule.usage) for name, rule in model.quantity.items() if rule.usage}
    known = {name: number for name, number in told.items() if number is not None}
    try:
        bill = price_rule(model).bill(Inputs(model.input, input, model.quantity, told=known))
        found = _quote(model.slug, model.price_version, bill, {})
    except Refused:  # a policy that has changed meanwhile
        return None
    return found.estimate if found.estimate == found.hold else None


def _told(usage: Mapping[str, Any], path: str) -> Number | None:
    value: Any = usage
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return read_number(value)


def images_wanted(model: Model, input: Mapping[str, Any]) -> list[str]:
    """Give the addresses of the input images whose sizes would tell the price of a request better; mostly none.

    Raises Refused as `quote` does.
    """
    inputs = Inputs(model.input, input, model.quantity)
    _quantities(model, inputs, price_rule(model).bill(inputs))
    found = inputs.value(inputs.images) if inputs.images else None
    images = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return [image if isinstance(image, str) else "" for image in images]


def unpriced_quote(slug: str, hold: int, model: Model | None, input: Mapping[str, Any]) -> Quote:
    """Quote a model without a price at the account's amount for such (units of 1e-8 USD).

    The estimate is the hold: if upstream never states the cost, the estimate is what is charged. Where the model's
    file defines quantities, guards may bound them all the same.
    """
    assumption = f"{slug} has no price: the account's amount for unpriced models is held"
    bill = Bill((Line.of("unpriced request", hold),), (assumption,))
    quantities = {} if model is None else _quantities(model, Inputs(model.input, input, model.quantity), bill)
    return _quote(slug, "", bill, quantities)


def _quantities(model: Model, inputs: Inputs, bill: Bill) -> Mapping[str, Number]:
    """Give all that guards may bound: what the model defines, what the rule derived, and the totals."""
    found = {name: inputs.measure(name).bound for name in model.quantity}
    found.update(bill.quantities)
    if "pixels" in found:
        found.setdefault("megapixels", -(-found["pixels"] // _MEGAPIXEL))
        found["total_pixels"] = found["pixels"] * found.get("images", 1)
    return found


def _quote(slug: str, price_version: str, bill: Bill, quantities: Mapping[str, Number], facts: str = "") -> Quote:
    lines = tuple([line for line in bill.lines if line.quantity])
    estimate = sum([line.amount for line in lines])
    hold = sum([line.hold for line in bill.lines])
    if hold > MAX_UNITS:
        raise Refused(
            Code.INVALID_INPUT, f"the request could cost more than {format_usd(MAX_UNITS)} USD; ask for less"
        )
    return Quote(slug, price_version, estimate, max(estimate, hold), lines, bill.assumptions, quantities, facts)


def _unpriced(model: Model, why: str) -> Refused:
    return Refused(Code.MODEL_UNPRICED, f"the price of {model.slug} {why}", extra={"model": model.slug})


def _line_json(line: Line) -> dict[str, Any]:
    number = line.number
    return {
        "what": line.what,
        "quantity": number if isinstance(number, int) else show_number(number),
        "unit_usd": format_usd(line.unit),
        "usd": format_usd(line.amount),
    }
