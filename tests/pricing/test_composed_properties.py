"""What holds for every rule that the kinds can compose, and for every model of the shipped book."""

from random import Random
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.domain.errors import Refused
from gateway.pricing import Model, Quote, quote
from pricing.asking import odd_input, valid_input
from pricing.holds import PRICED, check_sound, priced

SCHEMA = {
    "num_images": {"type": ["integer", "string"], "default": 1},
    "duration": {"type": ["number", "string"], "default": "5"},
    "prompt": {"type": "string", "default": ""},
    "image_size": {"type": ["string", "object"], "default": "square"},
    "resolution": {"type": "string", "default": "720p"},
    "aspect_ratio": {"type": "string", "default": "16:9"},
    "mode": {"type": "string", "default": "fast"},
    "max_tokens": {"type": "integer"},
    "image_urls": {"type": "array"},
}
QUANTITIES = {
    "images": {"kind": "value", "parameter": "num_images"},
    "seconds": {"kind": "value", "parameter": "duration"},
    "characters": {"kind": "characters", "parameter": "prompt"},
    "input_tokens": {"kind": "text_tokens", "parameter": "prompt", "most": 10_000},
    "output_tokens": {"kind": "after_run", "usual": 100, "most": "2000.5", "limit_parameter": "max_tokens"},
    "pixels": {"kind": "size", "max_pixels": 4_000_000, "follows_input": True},
    "frame": {"kind": "frame", "max_pixels": 9_000_000, "margin_percent": 5},
    "video_tokens": {"kind": "video_tokens", "pixels": "frame", "frames_per_second": 24, "extra_frames": 1},
}
MODES = ("fast", "slow")
USD = st.integers(0, 10**9).map(lambda units: f"{units // 10**8}.{units % 10**8:08}")
NAMES = st.sampled_from(sorted(QUANTITIES))
FIXED = st.fixed_dictionaries({"kind": st.just("fixed"), "usd": USD})
ROWS = st.lists(USD, min_size=1, max_size=2).map(lambda usd: [list(row) for row in zip(MODES, usd, strict=False)])
TABLE = st.fixed_dictionaries({"kind": st.just("table"), "on": st.just(["mode"]), "rows": ROWS})
EXTRA = st.fixed_dictionaries(
    {
        "kind": st.just("base_plus_extra"),
        "quantity": NAMES,
        "included": st.integers(0, 50) | st.sampled_from(["0.2", "5.5"]),
        "base_usd": USD,
        "extra_usd": USD,
        "round_up": st.booleans(),
    }
)
MEGAPIXEL = st.fixed_dictionaries(
    {
        "kind": st.just("megapixel"),
        "base_usd": USD,
        "extra_usd": USD,
        "pixels": st.sampled_from(["", "pixels", "frame"]),
    }
)
PER = {"kind": st.just("per_unit"), "quantity": NAMES, "per": st.integers(1, 10**6), "round_up": st.booleans()}


def composed(some: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    case = st.fixed_dictionaries({"parameter": st.just("mode"), "equals": st.sampled_from(MODES), "price": some})
    cases = {"kind": st.just("conditional"), "case": st.lists(case, min_size=1, max_size=2)}
    parts = {"kind": st.just("sum"), "part": st.lists(some, min_size=1, max_size=3)}
    return (
        st.fixed_dictionaries(PER | {"each": some})
        | st.fixed_dictionaries(parts)
        | st.fixed_dictionaries(cases, optional={"otherwise": some})
    )


SIMPLE = FIXED | TABLE | EXTRA | MEGAPIXEL | st.fixed_dictionaries(PER | {"usd": USD})
RULES = st.recursive(SIMPLE, composed, max_leaves=6)
MODELS = RULES.map(
    lambda rule: msgspec.convert({"slug": "m", "input": SCHEMA, "quantity": QUANTITIES, "price": rule}, Model)
)
SECONDS = st.integers(1, 100) | st.decimals(min_value="0.001", max_value=100, places=3).map(float)
INPUTS = st.fixed_dictionaries(
    {},
    optional={
        "num_images": st.integers(1, 50),
        "duration": SECONDS,
        "prompt": st.text(max_size=50),
        "image_size": st.sampled_from(["square", "auto", "1000x3000", "2K"]),
        "resolution": st.sampled_from(["480p", "720p", "1080p", "auto"]),
        "aspect_ratio": st.sampled_from(["16:9", "1:1", "auto"]),
        "mode": st.sampled_from(MODES),
        "max_tokens": st.integers(1, 5000),
    },
)
RESOLUTIONS = ("480p", "720p", "1080p", "1k", "2k", "4k")
ORDERED = ("480p", "720p", "1080p", "1440p", "2160p")
MORE = st.one_of(
    st.tuples(st.just("num_images"), st.integers(1, 50), st.integers(1, 50)),
    st.tuples(st.just("duration"), SECONDS, SECONDS),
    st.tuples(st.just("prompt"), st.integers(0, 99), st.integers(0, 99)),
    st.tuples(st.just("max_tokens"), st.integers(1, 5000), st.integers(1, 5000)),
    st.tuples(st.just("image_size"), st.integers(1, 4000), st.integers(1, 4000)),
    st.tuples(st.just("resolution"), st.integers(0, 4), st.integers(0, 4)),
)


def written(name: str, amount: Any) -> Any:
    forms = {"prompt": lambda n: "a" * n, "image_size": lambda n: f"{n}x1000", "resolution": lambda n: ORDERED[n]}
    return forms[name](amount) if name in forms else amount


def quoted(model: Model, input: dict[str, Any]) -> Quote | None:
    try:
        return quote(model, input)
    except Refused:
        return None


@given(MODELS, INPUTS)
def test_every_rule_gives_a_sound_quote_or_a_refusal(model: Model, input: dict[str, Any]) -> None:
    price = priced(model, input)
    if price is not None:
        check_sound(price)


@given(MODELS, st.integers(0, 2**32))
def test_no_input_crashes_any_rule(model: Model, seed: int) -> None:
    price = quoted(model, odd_input(model, Random(seed)))
    if price is not None:
        check_sound(price)


@given(MODELS, INPUTS, MORE)
def test_more_of_anything_never_costs_less(model: Model, input: dict[str, Any], more: tuple[str, Any, Any]) -> None:
    name, *amounts = more
    low, high = (quoted(model, input | {name: written(name, amount)}) for amount in sorted(amounts))
    assume(low is not None and high is not None)
    assert low is not None
    assert high is not None
    assert low.estimate <= high.estimate
    assert low.hold <= high.hold


@given(st.sampled_from(PRICED), st.integers(0, 2**32))
def test_every_model_of_the_book_gives_a_sound_quote_or_a_refusal(model: Model, seed: int) -> None:
    for draw in (valid_input, odd_input):
        price = priced(model, draw(model, Random(seed)))
        if price is not None:
            check_sound(price)


@given(st.sampled_from(PRICED), st.integers(0, 2**32))
def test_in_the_book_more_images_longer_and_larger_ones_never_cost_less(model: Model, seed: int) -> None:
    chance = Random(seed)
    input = valid_input(model, chance)
    for name, order in (
        ("num_images", int),
        ("duration", int),
        ("resolution", ("480p", "720p", "1080p", "1k", "2k", "4k").index),
    ):
        parameter = model.input.get(name)
        if parameter is None:
            continue
        values = parameter.one_of or range(parameter.min, parameter.max + 1)
        ordered = sorted(values, key=lambda value: order(value.lower() if name == "resolution" else value))
        found = [quoted(model, input | {name: value}) for value in ordered]
        prices = [(price.estimate, price.hold) for price in found if price is not None]
        assert prices == sorted(prices)
        assert [hold for _, hold in prices] == sorted(hold for _, hold in prices)


@given(MODELS, INPUTS)
def test_a_prices_quantities_are_never_below_what_was_asked_for(model: Model, input: dict[str, Any]) -> None:
    price = quoted(model, input)
    assume(price is not None)
    assert price is not None
    assert price.quantities["images"] == int(input.get("num_images", 1))
    assert float(price.quantities["seconds"]) == float(input.get("duration", 5))
    assert price.quantities["characters"] >= len(input.get("prompt", ""))
    assert price.quantities["total_pixels"] == price.quantities["pixels"] * price.quantities["images"]
