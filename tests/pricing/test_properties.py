"""What holds for every input: totality, sums, order."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import Code, Refused
from gateway.domain.money import MAX_UNITS
from gateway.pricing import Model, Quote, quote, validate

NAMES = ("prompt", "image_urls", "num_images", "image_size", "seed", "output_format", "width", "other")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["auto", "square_hd"])
SIZES = st.from_regex(r"[-+ 0-9]{1,12}[xX×*, .]{1,2}[0-9]{1,12}[ p]?", fullmatch=True)
JSON = st.recursive(
    SCALARS | SIZES | st.integers(10**30, 10**31),
    lambda some: st.lists(some, max_size=5) | st.dictionaries(st.sampled_from(["width", "height", "x"]), some),
    max_leaves=12,
)
INPUTS = st.dictionaries(st.sampled_from(NAMES) | st.text(), JSON)
SIDE = st.integers(1, 20_000)
IMAGES = st.integers(1, 1000)
PRICES = st.fixed_dictionaries(
    {
        "megapixel_pixels": st.sampled_from([1_000_000, 1_048_576]),
        "max_megapixels": st.integers(1, 16),
        "bill_inputs": st.booleans(),
    }
)


def sound(price: Quote) -> bool:
    sums = sum(line.amount for line in price.lines) == price.estimate
    return sums and 0 < price.estimate <= price.hold <= MAX_UNITS and bool(price.as_json())


def repriced(model: Model, settings: dict[str, Any]) -> Model:
    return msgspec.structs.replace(model, price=msgspec.structs.replace(model.price, **settings))


@given(INPUTS, PRICES)
def test_any_input_is_refused_as_invalid_or_soundly_priced(
    klein: Model, lax: Model, input: dict[str, Any], settings: dict[str, Any]
) -> None:
    for model in (klein, lax):
        try:
            validate(model, input)
            price = quote(repriced(model, settings), input)
        except Refused as refused:
            assert refused.code is Code.INVALID_INPUT
        else:
            assert sound(price)


@given(st.data(), PRICES)
def test_every_input_that_the_schema_allows_is_priced(
    klein: Model, data: st.DataObject, settings: dict[str, Any]
) -> None:
    schema = klein.input
    optional = {
        "image_size": st.none() | st.sampled_from(schema["image_size"].one_of or ()),
        "num_images": st.none() | st.integers(1, 4),
        "seed": st.none() | st.integers(),
    }
    required = {"prompt": st.text(), "image_urls": st.lists(st.text(), min_size=1, max_size=4)}
    input = data.draw(st.fixed_dictionaries(required, optional=optional))
    validate(klein, input)
    price = quote(repriced(klein, settings), input)
    assert sound(price)
    assert price.assumptions or price.estimate == price.hold


@given(IMAGES, IMAGES, JSON)
def test_more_images_never_cost_less(lax: Model, some: int, more: int, size: Any) -> None:
    try:
        low, high = (quote(lax, {"image_size": size, "num_images": n}) for n in sorted((some, more)))
    except Refused:
        return
    assert low.estimate <= high.estimate
    assert low.hold <= high.hold


@given(SIDE, SIDE, SIDE, PRICES)
def test_more_pixels_never_cost_less(lax: Model, height: int, some: int, more: int, settings: dict[str, Any]) -> None:
    model = repriced(lax, settings)
    low, high = (quote(model, {"image_size": f"{width}x{height}"}) for width in sorted((some, more)))
    assert low.estimate == low.hold <= high.estimate == high.hold


@given(SIDE, SIDE, IMAGES, st.sampled_from([1_000_000, 1_048_576]))
def test_a_stated_size_costs_what_the_formula_says(
    lax: Model, width: int, height: int, images: int, megapixel: int
) -> None:
    model = repriced(lax, {"megapixel_pixels": megapixel})
    begun = len(range(0, width * height, megapixel))  # counted another way than the rule counts
    price = quote(model, {"image_size": {"width": width, "height": height}, "num_images": images})
    assert price.estimate == price.hold == images * (1_400_000 + 100_000 * (begun - 1))


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_one_more_billed_input_never_costs_less(lax: Model, urls: list[str]) -> None:
    model = repriced(lax, {"bill_inputs": True})
    fewer, all_of_them = quote(model, {"image_urls": urls[1:]}), quote(model, {"image_urls": urls})
    assert fewer.estimate < all_of_them.estimate
    assert fewer.hold < all_of_them.hold
