"""Holds against true costs: random inputs of the shipped book, priced by the gateway and run by the sandbox.

`make holds` goes on where the test stops. The sandbox shares no code with the gateway: it prices what happened. A
hold below that, an estimate above its hold, lines that do not add up, a float, or any error but a refusal is a fault,
told with the seed that repeats it.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from gateway.domain.errors import Code, Refused
from gateway.domain.money import MAX_UNITS, ceil_units
from gateway.policy import load_policy
from gateway.pricing import Model, Quote, Route, quote, validate
from gateway.sandbox.catalogue import models
from gateway.sandbox.pricing import per_megapixel
from gateway.sandbox.validation import problems
from pricing.asking import odd_input, valid_input, without_null

#: What the sandbox runs by a create; what it runs by other routes is compared in e2e/test_paid_routes.py.
BOOK = {
    slug: model
    for slug, model in load_policy(Path(__file__).parents[2] / "policies").models.items()
    if model.route is Route.PREDICTION
}
SANDBOX = models()
PRICED = [model for slug, model in sorted(BOOK.items()) if model.price is not None]
KLEIN = "flux-2-klein-4b-base-edit"
ODD_SHARE = 0.25


def priced(model: Model, input: dict[str, Any]) -> Quote | None:
    """Price an input as a create does; None where it is refused, which says why."""
    try:
        validate(model, input)
        return quote(model, input)
    except Refused as refused:
        assert refused.code in (Code.INVALID_INPUT, Code.MODEL_UNPRICED)
        assert refused.extra.get("parameter") or "could cost more" in refused.message
        return None


def check_sound(price: Quote) -> None:
    """Assert what holds for every quote."""
    assert price.estimate == sum(line.amount for line in price.lines)
    assert 0 <= price.estimate <= price.hold <= MAX_UNITS
    assert price.estimate == price.hold or price.assumptions
    numbers = [price.estimate, price.hold]
    for line in price.lines:
        assert line.amount == -(-line.number * line.unit // 1)  # what anybody gets who multiplies
        numbers += [line.unit, line.quantity, line.most, line.per, line.amount]
    assert all(type(number) is int for number in numbers)
    assert all(type(number) in (int, Fraction) for number in price.quantities.values())
    assert not any(type(each) is float for each in _leaves(price.as_json()))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def try_one(seed: int) -> str:
    """Price and run one random input; tells what became of it. Raises AssertionError for a fault."""
    chance = Random(seed)
    model = PRICED[seed % len(PRICED)]
    odd = chance.random() < ODD_SHARE
    input = (odd_input if odd else valid_input)(model, chance)
    price = priced(model, input)
    if price is None:
        assert odd or model.slug == "veo3-1-text-to-video"  # whose book lacks rows
        return "refused"
    check_sound(price)
    upstream = SANDBOX[model.slug]
    if problems(upstream.request_schema, without_null(input)):
        return "refused upstream"
    for cost in _costs(model.slug, without_null(input), chance):
        assert isinstance(cost, Decimal)
        assert ceil_units(cost) <= price.hold, f"{model.slug} cost {cost}, held {price.hold}: {input!r}"
    return "run"


def _costs(slug: str, input: dict[str, Any], chance: Random) -> Iterator[Decimal]:
    """Give what a run costs, in each way that upstream's pages can be read."""
    yield SANDBOX[slug].cost(input, chance)
    if slug == KLEIN and "image_size" not in input:
        # "If not provided, uses the input image size", which is scaled down to four megapixels.
        yield per_megapixel("0.014", "0.001", chance.randint(1, 4_000_000), input.get("num_images", 1))


def try_many(inputs: int, start: int) -> Counter[str]:
    """Try so many seeds; raises AssertionError that names the seed of a fault."""
    counted: Counter[str] = Counter()
    for seed in range(start, start + inputs):
        try:
            counted[f"{PRICED[seed % len(PRICED)].slug}: {try_one(seed)}"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    return counted


def main() -> None:
    """Try the inputs that are asked for, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    flags = parser.parse_args()
    began = monotonic()
    counted = try_many(flags.inputs, flags.start)
    for name, number in sorted(counted.items()):
        print(f"{number:9} {name}")
    print(
        f"{flags.inputs} inputs in {monotonic() - began:.0f} s: no crash, no hold below the true cost",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
