"""The shipped price of flux-2-klein-4b-base-edit, against each documented number."""

from typing import Any

import msgspec
import pytest

from gateway.domain.errors import Code, Refused
from gateway.pricing import Model, Quote, quote, validate

INPUT: dict[str, Any] = {"prompt": "Turn this into a realistic image", "image_urls": ["https://example.com/1.jpg"]}


def priced(model: Model, **more: Any) -> Quote:
    validate(model, INPUT | more)
    return quote(model, INPUT | more)


def dollars(price: Quote) -> tuple[str, str]:
    body = price.as_json()
    return body["estimate_usd"], body["hold_usd"]


def repriced(model: Model, **settings: Any) -> Model:
    return msgspec.structs.replace(model, price=msgspec.structs.replace(model.price, **settings))


@pytest.mark.parametrize(
    ("size", "usd"),
    [
        ("square_hd", "0.015"),  # 1.048576 MP are two begun megapixels
        ("square", "0.014"),
        ("portrait_4_3", "0.014"),
        ("portrait_16_9", "0.014"),
        ("landscape_4_3", "0.014"),
        ("landscape_16_9", "0.014"),
    ],
)
def test_each_preset_has_its_price_and_its_hold_is_the_same(klein: Model, size: str, usd: str) -> None:
    price = priced(klein, image_size=size)
    assert dollars(price) == (usd, usd)
    assert price.assumptions == ()


def test_square_hd_is_one_megapixel_where_a_megapixel_has_1048576_pixels(klein: Model) -> None:
    binary = repriced(klein, megapixel_pixels=1_048_576)
    assert dollars(priced(binary, image_size="square_hd")) == ("0.014", "0.014")


def test_the_pages_default_example_of_0_0130_is_the_formula_at_no_megapixel_and_we_charge_0_014(klein: Model) -> None:
    """The page says $0.0130 = 0.014 + 0.001 × (0 − 1); an image has a first megapixel, so 0.014 is the floor."""
    assert dollars(priced(klein)) == ("0.014", "0.017")
    assert (
        min(priced(klein, image_size=size).estimate for size in klein.input["image_size"].one_of or ()) == 1_400_000
    )


def test_without_a_size_the_default_is_estimated_and_four_megapixels_are_held_and_said(klein: Model) -> None:
    price = priced(klein, num_images=2)
    assert dollars(price) == ("0.028", "0.034")
    (said,) = price.assumptions
    assert "image_size is not given" in said
    assert "landscape_4_3" in said
    assert "4 megapixels" in said


def test_null_for_a_size_is_the_same_as_no_size(klein: Model) -> None:
    assert priced(klein, image_size=None, num_images=None) == priced(klein)


def test_num_images_multiplies(klein: Model) -> None:
    assert [dollars(priced(klein, image_size="square_hd", num_images=n))[0] for n in (1, 2, 3, 4)] == [
        "0.015",
        "0.03",
        "0.045",
        "0.06",
    ]


def test_billed_inputs_add_a_megapixel_each_to_the_estimate_and_four_to_the_hold(klein: Model) -> None:
    maker = repriced(klein, bill_inputs=True)
    price = priced(maker, image_size="square")
    assert dollars(price) == ("0.015", "0.018")  # the maker's own price of a 1 MP edit of a 1 MP image
    assert "image_urls (1)" in price.assumptions[0]


def test_billed_inputs_count_for_every_image_made(klein: Model) -> None:
    price = priced(repriced(klein, bill_inputs=True), image_urls=["https://example.com/1.jpg"] * 3, num_images=2)
    assert dollars(price) == ("0.034", "0.058")  # 2 × (0.014 + 3 × 0.001), 2 × (0.014 + 15 × 0.001)
    assert len(price.assumptions) == 2
    assert price.quantities["total_megapixels"] == 2 * (4 + 3 * 4)


def test_input_images_of_known_size_are_billed_as_they_are(klein: Model) -> None:
    maker, urls = repriced(klein, bill_inputs=True), [f"https://example.com/{n}.jpg" for n in range(3)]
    input = INPUT | {"image_urls": urls, "image_size": "square"}
    price = quote(maker, input, sources=(1_000_001, None, 50_000_000))  # 2 MP, unknown, and scaled down to 4 MP
    assert dollars(price) == ("0.021", "0.024")
    assert "image_urls (1)" in price.assumptions[0]
    assert dollars(quote(maker, input, sources=(1, 1, 1))) == ("0.017", "0.017")


def test_a_known_input_image_bounds_what_is_made_without_a_size(klein: Model) -> None:
    """The page: "If not provided, uses the input image size", and "landscape_4_3" as the default."""
    known = quote(klein, INPUT, sources=(2_500_000,))
    assert dollars(known) == ("0.014", "0.016")
    assert "as large as the input image" in known.assumptions[0]
    assert dollars(quote(klein, INPUT, sources=(300_000,))) == ("0.014", "0.014")
    assert dollars(quote(klein, INPUT, sources=(90_000_000,))) == ("0.014", "0.017")
    assert dollars(quote(klein, INPUT, sources=(300_000, None))) == ("0.014", "0.017")


def test_inputs_are_not_billed_by_default(klein: Model) -> None:
    urls = [f"https://example.com/{n}.jpg" for n in range(4)]
    assert dollars(priced(klein, image_size="square", image_urls=urls)) == ("0.014", "0.014")


def test_the_quote_is_answered_in_the_contracts_shape(klein: Model) -> None:
    assert priced(klein, image_size="square_hd", num_images=2).as_json() == {
        "model": "flux-2-klein-4b-base-edit",
        "estimate_usd": "0.03",
        "hold_usd": "0.03",
        "price_version": "2026-04-27",
        "lines": [
            {"what": "image with its first megapixel", "quantity": 2, "unit_usd": "0.014", "usd": "0.028"},
            {"what": "extra megapixel", "quantity": 2, "unit_usd": "0.001", "usd": "0.002"},
        ],
        "assumptions": [],
    }


def test_guards_are_given_upper_bounds(klein: Model) -> None:
    bounds = {"pixels": 4_000_000, "megapixels": 4, "images": 3, "total_megapixels": 12, "total_pixels": 12_000_000}
    assert priced(klein, num_images=3).quantities == bounds
    assert priced(klein, image_size="square_hd").quantities["megapixels"] == 2


@pytest.mark.parametrize(
    ("parameter", "value", "said"),
    [
        ("num_images", 5, "num_images must be an integer from 1 to 4, not 5"),
        ("num_images", 0, "num_images must be an integer from 1 to 4, not 0"),
        ("num_images", True, "num_images must be an integer from 1 to 4, not true"),
        ("num_images", "2", 'num_images must be an integer from 1 to 4, not "2"'),
        ("num_images", 2.0, "num_images must be an integer from 1 to 4, not 2.0; write 2"),
        ("num_images", float("nan"), "num_images must be an integer from 1 to 4, not NaN"),
        ("num_images", 10**4000, "num_images must be an integer from 1 to 4, not an integer of 13288 bits"),
        ("image_size", {"width": 9, "height": 9}, "not an object of 2 fields"),
        ("image_size", "huge", 'image_size must be one of "square_hd", "square", '),
        ("image_urls", [], "image_urls must be an array of 1 to 4 items, not an array of 0 items"),
        ("image_urls", ["a"] * 5, "image_urls must be an array of 1 to 4 items, not an array of 5 items"),
        ("image_urls", ["a", None], "image_urls[1] must be a string, not null"),
        (
            "image_urls",
            "https://example.com",
            'image_urls must be an array of 1 to 4 items, not "https://example.com"',
        ),
        ("prompt", None, "prompt is null: it is required and must be a string"),
        ("prompt", ["a"], "prompt must be a string, not an array of 1 items"),
        ("enable_safety_checker", 1, "enable_safety_checker must be a boolean, not 1"),
        ("seed", 1.5, "seed must be an integer, not 1.5"),
        ("output_format", "gif", 'output_format must be one of "jpeg", "png", "webp", not "gif"'),
    ],
)
def test_a_wrong_input_is_refused_by_name_with_its_value_and_what_would_be_right(
    klein: Model, parameter: str, value: Any, said: str
) -> None:
    with pytest.raises(Refused) as refused:
        priced(klein, **{parameter: value})
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.extra == {"parameter": parameter}
    assert said in refused.value.message


def test_a_missing_required_parameter_is_refused(klein: Model) -> None:
    with pytest.raises(Refused, match="prompt is missing: it is required and must be a string"):
        validate(klein, {"image_urls": ["a"]})


def test_a_parameter_that_the_schema_does_not_name_passes(klein: Model) -> None:
    assert priced(klein, guidance=[[[{}]]]) == priced(klein)
