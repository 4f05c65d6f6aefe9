"""Explaining: which one field of a price, had it another value, would say what upstream bills."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from gateway.domain.errors import Refused
from gateway.domain.money import MAX_UNITS, UNITS_PER_USD, format_usd, parse_usd
from gateway.pricing.facts import Facts, read_facts
from gateway.pricing.model import Model
from gateway.pricing.quoting import Quote, quote
from gateway.pricing.variants import Field, alternatives, amounts, changed

#: Different requests that are looked at, the most frequent first; values of an amount that are tried.
MOST_KINDS = 500
MOST_TRIES = 3
#: Of ten: whole amounts up to 100 dollars are found first.
_MOST_POWER = 10


class Billed(NamedTuple):
    """Successes of one model that were equal in what decides the price: their facts, and in units of 1e-8 USD what
    they were estimated and held at, and what upstream billed each of them."""

    facts: str
    estimate: int
    hold: int
    cost: int


class Explanation(NamedTuple):
    """A field with another value by which `explained` of the predictions cost what upstream billed, to the unit, or
    may have, where the price would then leave it open."""

    field: str
    now: str
    then: str
    explained: int


class Explained(NamedTuple):
    """How many predictions were looked at, how many cost what the price says, and what would explain more of them."""

    repriced: int
    right: int
    explanations: list[Explanation]


class _Case(NamedTuple):
    facts: Facts
    cost: int
    weight: int


def explain(model: Model, billed: Counter[Billed]) -> Explained:
    """Look for the fields of a model's price that explain the most of what was billed, the best first.

    A request that left its price open tells something only where it cost more than it could. Those that the price no
    longer gives the estimate for that was given then are left out.
    """
    cases = [case for each, count in billed.most_common(MOST_KINDS) if (case := _case(model, each, count))]
    right = _score(model, cases)
    found = [*_by_alternatives(model, cases), *_by_amounts(model, cases)]
    better = [each for each in found if each.explained > right]
    best = max((each.explained for each in better), default=0)
    return Explained(sum(case.weight for case in cases), right, [each for each in better if each.explained == best])


def _case(model: Model, billed: Billed, count: int) -> _Case | None:
    try:
        facts = read_facts(model, billed.facts)
    except ValueError:
        return None
    quoted = _quoted(model, facts)
    certain = billed.estimate == billed.hold
    if quoted is None or quoted.estimate != billed.estimate or not (certain or billed.cost > billed.hold):
        return None
    return _Case(facts, billed.cost, count)


def _score(model: Model, cases: Sequence[_Case]) -> int:
    """Count the predictions whose cost a price says, or leaves open."""
    quotes = ((case, _quoted(model, case.facts)) for case in cases)
    return sum(case.weight for case, quoted in quotes if quoted and quoted.estimate <= case.cost <= quoted.hold)


def _by_alternatives(model: Model, cases: Sequence[_Case]) -> Iterable[Explanation]:
    for field, other in alternatives(model):
        yield from _tried(model, cases, field, other)


def _by_amounts(model: Model, cases: Sequence[_Case]) -> Iterable[Explanation]:
    """Work out of each case what an amount would have to be, and try the values that most of them ask for."""
    for field in amounts(model):
        wanted: Counter[int] = Counter()
        for case in cases:
            units = _wanted(model, field, case)
            if units is not None:
                wanted[units] += case.weight
        for units, _ in wanted.most_common(MOST_TRIES):
            if units != parse_usd(field.value):
                yield from _tried(model, cases, field, format_usd(units))


def _tried(model: Model, cases: Sequence[_Case], field: Field, other: Any) -> Iterable[Explanation]:
    try:
        variant = changed(model, field.path, other)
    except ValueError:
        return
    yield Explanation(field.name, _words(field.value), _words(other), _score(variant, cases))


def _wanted(model: Model, field: Field, case: _Case) -> int | None:
    """Give the amount at which a case could cost what it did: costs are linear in it, and then rounded up.

    Where the price leaves a case open, that is a span, from where its hold is the cost to where its estimate is.
    """
    free, one = (_quoted(changed(model, field.path, text), case.facts) for text in ("0", "1"))
    if free is None or one is None or one.estimate == free.estimate:
        return None
    likely, most = (Fraction(each, UNITS_PER_USD) for each in (one.estimate - free.estimate, one.hold - free.hold))
    above, high = (case.cost - 1 - free.hold) / most, (case.cost - free.estimate) / likely
    return _roundest(above, high) if 0 <= high <= MAX_UNITS else None


def _roundest(above: Fraction, most: Fraction) -> int | None:
    """Give the amount with the fewest decimals in a span, as a person would have chosen it."""
    for power in range(_MOST_POWER, -1, -1):
        step: int = 10**power
        units = int(most / step) * step
        if units > above:
            return units
    return None


def _words(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(model: Model, facts: Facts) -> Quote | None:
    try:
        return quote(model, facts.input, facts.sources)
    except Refused:
        return None
