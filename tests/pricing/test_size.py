"""Sizes as sibling models accept them, priced without a schema in front."""

from typing import Any

import msgspec
import pytest

from gateway.domain.errors import Code, Refused
from gateway.pricing import Model, quote
from gateway.pricing.size import PRESET_PIXELS, size_pixels

BASE, EXTRA = 1_400_000, 100_000


def test_the_presets_have_the_documented_pixels() -> None:
    assert dict(PRESET_PIXELS) == {
        "square_hd": 1_048_576,
        "square": 262_144,
        "portrait_4_3": 786_432,
        "portrait_16_9": 589_824,
        "landscape_4_3": 786_432,
        "landscape_16_9": 589_824,
    }


@pytest.mark.parametrize(
    "value", ["1024x768", "1024X768", " 1024 x 768 ", "1024×768", "1024*768", {"width": 1024, "height": 768}]
)
def test_a_stated_size_is_read_in_every_form(value: Any) -> None:
    assert size_pixels(value, "image_size") == 1024 * 768


@pytest.mark.parametrize(
    ("value", "pixels"),
    [
        ("1080p", 1920 * 1080),
        ("720P", 1280 * 720),
        ("480p", 854 * 480),
        ("1K", 1024**2),
        ("2k", 2048**2),
        ("4K", 4096**2),
    ],
)
def test_a_resolution_states_a_size(lax: Model, value: str, pixels: int) -> None:
    assert size_pixels(value, "image_size") == pixels
    assert quote(lax, {"image_size": value}).quantities["pixels"] == pixels


@pytest.mark.parametrize("value", ["auto", "", "16:9", "landscape_21_9", "Square_HD", "HD", "0p", "١x١"])
def test_a_name_without_a_size_is_estimated_and_held_at_the_upper_bound_and_said(lax: Model, value: str) -> None:
    price = quote(lax, {"image_size": value})
    assert price.estimate == price.hold == BASE + 3 * EXTRA
    assert "states no size" in price.assumptions[0]


@pytest.mark.parametrize(
    "value",
    [
        "0x0",
        "0x1024",
        "8000x8000px",
        "8000.0x8000.0",
        "8000 by 8000",
        "８０００x８０００",
        '{"width": 8000, "height": 8000}',
        "9" * 5000 + "x1",
        {},
        {"width": 8000},
        {"width": "8000", "height": "8000"},
        {"width": 8000.0, "height": 8000},
        {"width": float("nan"), "height": 1},
        {"width": True, "height": 1},
        {"width": -1, "height": -1},
        {"width": 10**400, "height": 1},
        [8000, 8000],
        8000,
        True,
        float("inf"),
    ],
)
def test_a_size_that_is_stated_but_unreadable_is_refused_since_it_may_pass_the_bound(lax: Model, value: Any) -> None:
    with pytest.raises(Refused, match="image_size sets the price") as refused:
        quote(lax, {"image_size": value})
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.extra == {"parameter": "image_size"}


def test_a_certain_size_above_the_bound_is_billed_as_it_is(lax: Model) -> None:
    price = quote(lax, {"image_size": "8000x8000"})
    assert price.estimate == price.hold == BASE + 63 * EXTRA
    assert price.quantities["megapixels"] == 64


def test_a_default_size_above_the_bound_is_held_as_it_is(klein: Model) -> None:
    size = msgspec.structs.replace(klein.input["image_size"], default="4000x4000", one_of=None)
    price = quote(msgspec.structs.replace(klein, input={"image_size": size}), {})
    assert price.estimate == price.hold == BASE + 15 * EXTRA


@pytest.mark.parametrize("default", [None, "auto"])
def test_without_a_size_and_a_default_that_states_one_the_bound_is_estimated_too(klein: Model, default: Any) -> None:
    size = msgspec.structs.replace(klein.input["image_size"], default=default, one_of=None)
    price = quote(msgspec.structs.replace(klein, input={"image_size": size}), {})
    assert price.estimate == price.hold == BASE + 3 * EXTRA
    assert "not given" in price.assumptions[0]


@pytest.mark.parametrize(("pixels", "megapixels"), [(1, 1), (1000, 1), (1001, 2), (2000, 2), (2001, 3)])
def test_a_begun_megapixel_counts_whole(lax: Model, pixels: int, megapixels: int) -> None:
    price = quote(lax, {"image_size": {"width": pixels, "height": 1000}})
    assert price.quantities["megapixels"] == megapixels
    assert price.estimate == BASE + (megapixels - 1) * EXTRA
