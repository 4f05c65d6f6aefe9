"""How long it takes to check and price one create: `make bench-pricing`.

Every model of the shipped book is asked with what it requires, and with every parameter that it has. The time is that
of the processor, the best of many short rounds, so that a busy machine counts as little as it can.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import Any

from gateway.policy import load_policy
from gateway.pricing import Model, price_rule, quote, validate

POLICIES = Path(__file__).parents[1] / "policies"
MOST_MICROSECONDS = 20
TEXT = "a cat that sits on a red roof in the evening, " * 6
ROUNDS = 60


def smallest(model: Model) -> dict[str, Any]:
    """Give an input with what the model requires."""
    return {name: _value(model, name) for name, parameter in model.input.items() if parameter.required}


def fullest(model: Model) -> dict[str, Any]:
    """Give an input with every parameter."""
    return {name: _value(model, name) for name in model.input}


def _value(model: Model, name: str) -> Any:
    parameter = model.input[name]
    if name == "model":
        return "openai/gpt-5.1"
    if parameter.default is not None:
        return parameter.default
    if parameter.one_of is not None:
        return parameter.one_of[0]
    forms = {"string": TEXT, "array": ["https://example.com/1.png"], "object": {}, "boolean": True}
    return forms.get(parameter.types[0], parameter.min or 1)


def microseconds(act: Callable[[], object], times: int) -> float:
    """Measure one act, in microseconds of processor time."""
    began = process_time()
    for _ in range(times):
        act()
    return (process_time() - began) / times * 1e6


def pricing(model: Model, input: Mapping[str, Any]) -> Callable[[], object]:
    """Give what a create costs before it reaches the ledger: the schema, and the price."""

    def price() -> None:
        validate(model, input)
        quote(model, input)

    return price


def measure(acts: Sequence[Callable[[], object]], times: int) -> list[float]:
    """Measure each act by its best round; the rounds of all take turns, so that none meets only a busy moment."""
    best = [float("inf")] * len(acts)
    for _ in range(ROUNDS):
        best = [min(least, microseconds(act, times)) for least, act in zip(best, acts, strict=True)]
    return best


def main() -> int:
    """Print a line for each model; exit 1 if pricing one create takes too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=300, help="creates in a round")
    times = parser.parse_args().times
    models = [model for model in load_policy(POLICIES).models.values() if model.price is not None]
    found = measure([pricing(model, form(model)) for model in models for form in (smallest, fullest)], times)
    print(f"{'kind':16} {'model':44} {'smallest':>9} {'fullest':>9}   (µs)")
    for model, small, full in zip(models, found[::2], found[1::2], strict=True):
        kind = type(price_rule(model)).__struct_config__.tag
        print(f"{kind!s:16} {model.slug:44} {small:9.1f} {full:9.1f}")
    print(f"the slowest takes {max(found):.1f} µs; the most that it may take is {MOST_MICROSECONDS}")
    return int(max(found) > MOST_MICROSECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
