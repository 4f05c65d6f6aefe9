"""Whether what a model's file names is there: quantities that rules multiply, parameters that they look at.

A slip in a name would not fail at a request; it would be another price. So it is an error of the file.
"""

from collections.abc import Mapping

from gateway.pricing.number import read_text
from gateway.pricing.parameter import Parameter
from gateway.pricing.quantity import QuantityRule
from gateway.pricing.rule import Rule


def check_references(
    price: Rule | None, quantities: Mapping[str, QuantityRule], schema: Mapping[str, Parameter]
) -> None:
    """Raise ValueError for a name that leads nowhere, and for a value that its parameter can never have."""
    for name, quantity in quantities.items():
        for part in quantity.quantities:
            _check_part(name, part, quantities)
        for parameter in quantity.parameters:
            _check_name(f"quantity {name}", "the parameter", parameter, schema)
    for rule in price.all_rules() if price is not None else ():
        for used in rule.quantities:
            _check_name("the price", "the quantity", used, quantities)
        for parameter, text, ignore_case in rule.compares:
            _check_name("the price", "the parameter", parameter, schema)
            _check_value(parameter, text, schema[parameter], ignore_case=ignore_case)


def _check_name(place: str, word: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        names = f"one of {', '.join(known)}" if known else "a definition, there is none"
        raise ValueError(f"{place} uses {word} {name!r}, which the model does not define; use {names}")


def _check_part(name: str, part: str, quantities: Mapping[str, QuantityRule]) -> None:
    _check_name(f"quantity {name}", "the quantity", part, quantities)
    if quantities[part].quantities:
        raise ValueError(f"quantity {name} is made of {part!r}, which is made of others; name those instead")


def _check_value(parameter: str, text: str, schema: Parameter, *, ignore_case: bool) -> None:
    """A value that the schema does not allow would never be asked for: probably a slip."""
    if schema.one_of is None:
        return
    allowed = [read_text(choice) or "" for choice in schema.one_of]
    if not any(text == one or (ignore_case and text.casefold() == one.casefold()) for one in allowed):
        raise ValueError(f"the price compares {parameter} with {text!r}; its schema has {', '.join(allowed)}")
