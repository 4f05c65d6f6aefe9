"""Models, kinds of price and quotes."""

from typing import Any

import msgspec
import pytest

from gateway.domain.errors import Code, Refused
from gateway.domain.money import MAX_UNITS
from gateway.pricing import Line, Model, quote, unpriced_quote
from gateway.pricing.bill import Bill
from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from gateway.pricing.rule import Rule

MEGAPIXEL = {"kind": "megapixel", "base_usd": "0.014", "extra_usd": "0.001"}


def model(price: dict[str, Any], **more: Any) -> Model:
    return msgspec.convert({"slug": "some-model", "price": price, **more}, Model)


@pytest.mark.parametrize(
    ("price", "said"),
    [
        ({"kind": "fixd", "usd": "1"}, "Invalid value 'fixd' - at `$.price.kind`"),
        ({"usd": "1"}, "missing required field `kind` - at `$.price`"),
        ({"kind": "fixed"}, "missing required field `usd` - at `$.price`"),
        ({"kind": "fixed", "usd": "1", "eur": "1"}, "unknown field `eur` - at `$.price`"),
        ({"kind": "fixed", "usd": 0.06}, "Expected `str`, got `float` - at `$.price.usd`"),
        ({"kind": "fixed", "usd": "-1"}, "usd: not an amount of US dollars: '-1'"),
        ({"kind": "fixed", "usd": "0.123456789"}, "at most 8 decimals"),
        (MEGAPIXEL | {"base_usd": "abc"}, "base_usd: not an amount of US dollars: 'abc'"),
        (MEGAPIXEL | {"extra_usd": "1e-3"}, "extra_usd: not an amount of US dollars: '1e-3'"),
        (MEGAPIXEL | {"megapixel_pixels": 0}, "megapixel_pixels must be at least 1, not 0"),
        (MEGAPIXEL | {"max_megapixels": -4}, "max_megapixels must be at least 1, not -4"),
        (MEGAPIXEL | {"max_megapixels": 4.2}, "at `$.price.max_megapixels`"),
    ],
)
def test_a_wrong_price_is_an_error_that_says_where(price: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        model(price)
    assert said in str(error.value)
    assert "$.price" in str(error.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"slug": ""}, "slug must not be empty"),
        ({"usual_run_seconds": 0}, "usual_run_seconds must be at least 1"),
        ({"usual_run_seconds": 900}, "max_run_seconds 600 is below usual_run_seconds 900"),
    ],
)
def test_a_wrong_model_is_an_error(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        model({"kind": "fixed", "usd": "1"}, **settings)
    assert said in str(error.value)


def test_a_fixed_price_is_one_amount_whatever_the_input() -> None:
    price = quote(model({"kind": "fixed", "usd": "0.06"}), {"num_images": 4, "image_size": [[]]})
    assert price.estimate == price.hold == 6_000_000
    assert price.lines == (Line(what="request", unit=6_000_000, quantity=1, most=1),)


def test_the_defaults_of_a_megapixel_price_are_the_documented_ones() -> None:
    written_out = MEGAPIXEL | {
        "pixels": "",
        "megapixel_pixels": 1_000_000,
        "max_megapixels": 4,
        "bill_inputs": False,
        "size_parameter": "image_size",
        "images_parameter": "num_images",
        "inputs_parameter": "image_urls",
    }
    assert model(MEGAPIXEL) == model(written_out)


def test_a_price_may_read_parameters_of_other_names() -> None:
    named = {"size_parameter": "size", "images_parameter": "n", "inputs_parameter": "image_url", "bill_inputs": True}
    price = quote(model(MEGAPIXEL | named), {"size": "1000x1000", "n": 2, "image_url": "https://example.com/1.png"})
    assert (price.estimate, price.hold) == (2 * 1_500_000, 2 * 1_800_000)


def test_a_model_without_a_price_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        quote(Model(slug="flux-2"), {})
    assert refused.value.code is Code.MODEL_UNPRICED


def test_the_accounts_amount_for_unpriced_models_is_estimated_and_held() -> None:
    price = unpriced_quote("flux-2", 100_000_000, None, {})
    assert price.as_json() == {
        "model": "flux-2",
        "estimate_usd": "1.00",
        "hold_usd": "1.00",
        "price_version": "",
        "lines": [{"what": "unpriced request", "quantity": 1, "unit_usd": "1.00", "usd": "1.00"}],
        "assumptions": ["flux-2 has no price: the account's amount for unpriced models is held"],
    }


def test_a_price_beyond_what_the_ledger_can_count_is_refused() -> None:
    with pytest.raises(Refused, match="could cost more than") as refused:
        quote(model(MEGAPIXEL), {"num_images": MAX_UNITS})
    assert refused.value.code is Code.INVALID_INPUT


def test_the_largest_amount_is_still_quoted() -> None:
    assert quote(model({"kind": "fixed", "usd": "90071992.54740991"}), {}).hold == MAX_UNITS


@pytest.mark.parametrize("count", [2, 2.0, "2"])
def test_a_count_is_read_as_upstream_reads_numbers(count: Any) -> None:
    assert quote(model(MEGAPIXEL), {"num_images": count, "image_size": "square"}).hold == 2_800_000


@pytest.mark.parametrize(
    "count", [0, -1, True, 1.5, "1.5", "", " 2", "-2", "2e0", "0x2", "٢", float("nan"), 10**4000, [], {}]
)
def test_a_count_that_cannot_be_read_is_refused_even_where_no_schema_names_it(count: Any) -> None:
    with pytest.raises(Refused, match="num_images sets the price: it must be an integer of at least 1") as refused:
        quote(model(MEGAPIXEL), {"num_images": count})
    assert refused.value.extra == {"parameter": "num_images"}


def test_billed_inputs_that_cannot_be_counted_are_refused() -> None:
    with pytest.raises(Refused, match="image_urls sets the price"):
        quote(model(MEGAPIXEL | {"bill_inputs": True}), {"image_urls": {"0": "a"}})


class PerCharacter(Rule, frozen=True, tag="per_character"):
    """A kind that the gateway does not have: a struct with one method."""

    def bill(self, inputs: Inputs) -> Bill:
        return Bill((Line.of("character", 3, Measure.exactly(len(inputs.value("prompt")))),))


def test_a_new_kind_is_a_struct_with_one_method() -> None:
    price = quote(Model(slug="m", price=PerCharacter()), {"prompt": "abcd"})  # type: ignore[arg-type]
    assert (price.estimate, price.hold) == (12, 12)
