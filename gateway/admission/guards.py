"""Guards: bounds that a tenant's policy sets on input parameters and on derived quantities."""

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from gateway.domain.errors import Code, Refused
from gateway.domain.limit import Guard, Mode
from gateway.pricing import Model, Parameter, Quote
from gateway.pricing.number import show_number


def check_guards(guards: Sequence[Guard], input: Mapping[str, Any], model: Model | None, quote: Quote) -> None:
    """Refuse (`parameter_not_allowed`) the first value outside its bound; it names parameter, value and bound."""
    enforced = [guard for guard in guards if guard.mode is Mode.ENFORCE]
    for guard, value, bound in broken_guards(enforced, input, model, quote):
        raise _refusal(guard, value, bound)


def broken_guards(
    guards: Sequence[Guard], input: Mapping[str, Any], model: Model | None, quote: Quote
) -> Iterator[tuple[Guard, Any, str]]:
    """Give every guard that a request breaks, with the value and the bound in words.

    A parameter that the request leaves out is judged by its schema's default, a derived quantity (such as
    `megapixels`) by its upper bound; one that has neither passes: there is nothing to judge.
    """
    for guard in guards:
        given = input.get(guard.parameter)
        schema = model.input.get(guard.parameter) if model else None
        value = _judged(guard.parameter, given, schema, quote)
        counted = schema is not None and "array" in schema.types
        bound = "left out" if guard.forbidden and given is not None else _violated(guard, value, counted=counted)
        if bound:
            yield guard, value, bound


def _judged(parameter: str, given: Any, schema: Parameter | None, quote: Quote) -> Any:
    """Give the value that upstream will take, or the bound of what will come of it.

    A derived quantity comes before a parameter of its name: upstream knows no `megapixels`, so that to write one into
    the input must not talk the guard down.
    """
    if parameter in quote.quantities:
        return quote.quantities[parameter]
    return schema.default if schema and given is None else given


def _violated(guard: Guard, value: Any, *, counted: bool) -> str | None:
    """Say which bound the value breaks, in words; None where it keeps them all.

    A list is judged by its length where it is `counted`; elsewhere it is no value that a bound could pass.
    """
    if value is None or guard.forbidden:
        return None
    if guard.one_of is not None and not any(value == one and type(value) is type(one) for one in guard.one_of):
        return f"one of {', '.join(map(str, guard.one_of))}"
    size = len(value) if counted and isinstance(value, list) else _size(value)
    if guard.min is not None and (size is None or size < guard.min):
        return f"at least {guard.min}"
    if guard.max is not None and (size is None or size > guard.max):
        return f"at most {guard.max}"
    return None


def _size(value: Any) -> float | Fraction | None:
    """Give what `min` and `max` judge: a number, also in a string, as upstream reads it; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Fraction):
        return value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return None
        return None if math.isnan(number) else number  # which no bound would find too large
    return None


def _refusal(guard: Guard, value: Any, bound: str) -> Refused:
    text = show_number(value) if isinstance(value, Fraction) else str(value)
    shown = value if isinstance(value, int | float) and len(text) <= 80 else text[:80]
    return Refused(
        Code.PARAMETER_NOT_ALLOWED,
        f"{guard.parameter} is {shown!r}; the policy of {guard.scope} allows it to be {bound}",
        extra={"parameter": guard.parameter, "value": shown, "bound": bound, "scope": guard.scope},
    )
