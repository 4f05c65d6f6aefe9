"""Input images that somebody has looked at: what their sizes change, and when they are wanted at all."""

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.domain.errors import Refused
from gateway.domain.money import format_usd
from gateway.pricing import Model, Quote, images_wanted, quote

from .written import written

MEGAPIXEL = """
[price]
kind = "megapixel"
base_usd = "0.014"
extra_usd = "0.001"
"""
SIZE = """
[input.image_size]
type = "string"
default = "landscape_4_3"
[input.image_urls]
type = "array"
"""
KLEIN = written(MEGAPIXEL, SIZE)
MAKER = written(MEGAPIXEL, "bill_inputs = true", SIZE)
URLS = ["https://example.com/1.jpg", "https://example.com/2.jpg"]


def seen(model: Model, sources: Sequence[int | None], **input: Any) -> tuple[str, str, Quote]:
    """Give estimate and hold, and the quote."""
    quoted = quote(model, {"image_urls": URLS[: len(sources)]} | input, sources)
    return format_usd(quoted.estimate), format_usd(quoted.hold), quoted


@pytest.mark.parametrize(
    ("sources", "hold"),
    [
        ([1_000_000], "0.014"),
        ([1_000_001], "0.015"),
        ([3_000_000], "0.016"),
        ([90_000_000], "0.017"),  # scaled down to four megapixels
        ([500_000, 2_500_000], "0.016"),  # upstream does not say which of the two it follows
        ([1], "0.014"),  # the schema's default is still what upstream also says
        ([1_000_000, None], "0.017"),
        ([None], "0.017"),
        ([], "0.017"),
    ],
)
def test_a_request_without_a_size_is_held_at_that_of_its_largest_image(sources: list[int | None], hold: str) -> None:
    estimate, held, quoted = seen(KLEIN, sources)
    assert (estimate, held) == ("0.014", hold)
    known = bool(sources) and None not in sources
    assert any("as large as the input image" in text for text in quoted.assumptions) is known
    assert any("the most it can be" in text for text in quoted.assumptions) is not known


def test_an_auto_size_is_that_of_the_image_where_somebody_has_looked() -> None:
    estimate, held, quoted = seen(KLEIN, [2_500_000], image_size="auto")
    assert (estimate, held) == ("0.016", "0.016")
    assert quoted.assumptions == (
        'image_size "auto" states no size: taken as 2.5 megapixels, as large as the input image',
    )
    assert seen(KLEIN, [None], image_size="auto")[:2] == ("0.017", "0.017")


def test_a_guard_bounds_what_was_seen() -> None:
    assert seen(KLEIN, [2_500_000])[2].quantities["megapixels"] == 3
    assert seen(KLEIN, [None])[2].quantities["megapixels"] == 4


def test_a_request_that_states_its_size_costs_the_same_whatever_its_images_are() -> None:
    for sources in ([9_000_000], [None], []):
        assert seen(KLEIN, sources, image_size="square_hd")[:2] == ("0.015", "0.015")


def test_billed_inputs_are_billed_at_their_size_where_it_is_known() -> None:
    assert seen(MAKER, [900_000, 2_500_000], image_size="square")[:2] == ("0.018", "0.018")
    assert seen(MAKER, [900_000, None], image_size="square")[:2] == ("0.016", "0.019")
    assert seen(MAKER, [None, None], image_size="square")[:2] == ("0.016", "0.022")


@pytest.mark.parametrize(
    ("model", "input", "wanted"),
    [
        (KLEIN, {"image_urls": URLS}, URLS),
        (KLEIN, {"image_urls": URLS, "image_size": None}, URLS),
        (KLEIN, {"image_urls": URLS, "image_size": "auto"}, URLS),
        (KLEIN, {"image_urls": URLS, "image_size": "square"}, []),
        (KLEIN, {"image_urls": URLS, "image_size": "800x600"}, []),
        (MAKER, {"image_urls": URLS, "image_size": "square"}, URLS),
        (KLEIN, {"image_urls": URLS[0]}, URLS[:1]),
        (KLEIN, {"image_urls": [URLS[0], 7, {"url": "x"}]}, [URLS[0], "", ""]),
        (KLEIN, {}, []),
        (written('price = { kind = "fixed", usd = "1" }', SIZE), {"image_urls": URLS}, []),
    ],
)
def test_images_are_wanted_where_the_price_depends_on_them(
    model: Model, input: dict[str, Any], wanted: list[str]
) -> None:
    assert images_wanted(model, input) == wanted


def test_a_quantity_may_follow_another_parameters_images() -> None:
    size = '[quantity.pixels]\nkind = "size"\nmax_pixels = 4_000_000\nfollows_input = true\n'
    price = '[price]\nkind = "per_unit"\nquantity = "pixels"\nusd = "0.01"\nper = 1_000_000\nround_up = true\n'
    with pytest.raises(ValueError, match="'image_urls', which the model does not define"):
        written(SIZE.replace("image_urls", "photo"), size, price)
    model = written(
        SIZE.replace('image_urls]\ntype = "array"', 'photo]\ntype = "string"'),
        size,
        'inputs_parameter = "photo"\n',
        price,
    )
    assert images_wanted(model, {"photo": URLS[0]}) == URLS[:1]
    assert format_usd(quote(model, {"photo": URLS[0]}, [2_000_000]).hold) == "0.02"


def test_a_request_that_has_no_price_wants_no_look() -> None:
    with pytest.raises(Refused):
        images_wanted(KLEIN, {"image_urls": URLS, "num_images": 0})
