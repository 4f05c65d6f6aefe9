"""What upstream bills, explained by the one field of the price that would have said so."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.money import parse_usd
from gateway.policy import load_policy
from gateway.pricing import Model, quote
from gateway.pricing.explaining import Billed, Explained, explain
from gateway.pricing.variants import amounts, changed

BOOK = load_policy(Path(__file__).parents[2] / "policies").models
KLEIN, VEO, WAN = "flux-2-klein-4b-base-edit", "veo3-1-text-to-video", "wan-v2-6-text-to-video"
SEEDANCE = "seedance-v1-pro-text-to-video"
KLING, SPEECH, NANO = "kling-v2-1-standard-image-to-video", "minimax-speech-2-8-turbo", "nano-banana"


def billed(model: Model, true: Model, *inputs: dict[str, Any], weight: int = 1) -> Counter[Billed]:
    """Quote requests by the book, and bill them by the true price."""
    found: Counter[Billed] = Counter()
    for input in inputs:
        quoted = quote(model, input)
        found[Billed(quoted.facts, quoted.estimate, quoted.hold, quote(true, input).estimate)] += weight
    return found


def named(explained: Explained) -> list[tuple[str, str, str]]:
    return [(each.field, each.now, each.then) for each in explained.explanations]


def image(size: str, sources: int = 1, images: int = 1) -> dict[str, Any]:
    return {"image_size": size, "image_urls": ["u"] * sources, "num_images": images}


#: Traffic that tells the fields of klein's price apart.
MIXED = [
    image(size, sources, images)
    for size in ("square", "square_hd", "1500x1500")
    for sources in (1, 3)
    for images in (1, 2)
]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("price", "megapixel_pixels"), 1_048_576, ("price.megapixel_pixels", "1000000", "1048576")),
        (("price", "bill_inputs"), True, ("price.bill_inputs", "false", "true")),
        (("price", "base_usd"), "0.0155", ("price.base_usd", "0.014", "0.0155")),
        (("price", "extra_usd"), "0.002", ("price.extra_usd", "0.001", "0.002")),
        (("price", "images_parameter"), "", ("price.images_parameter", "num_images", "")),
    ],
)
def test_a_field_of_kleins_price_that_upstream_has_otherwise_is_named(
    path: tuple[str, ...], value: Any, words: tuple[str, str, str]
) -> None:
    model = BOOK[KLEIN]
    explained = explain(model, billed(model, changed(model, path, value), *MIXED))
    assert named(explained) == [words]
    assert explained.explanations[0].explained == explained.repriced == len(MIXED)
    assert explained.right < len(MIXED)


def test_what_the_traffic_cannot_tell_apart_is_all_named() -> None:
    model = BOOK[KLEIN]
    true = changed(model, ("price", "megapixel_pixels"), 1_048_576)
    explained = explain(model, billed(model, true, image("square_hd"), weight=9))
    assert named(explained) == [
        ("price.megapixel_pixels", "1000000", "1048576"),
        ("price.base_usd", "0.014", "0.013"),
        ("price.extra_usd", "0.001", "0.00"),
    ]
    assert (explained.repriced, explained.right) == (9, 0)


@pytest.mark.parametrize(
    ("slug", "path", "value", "inputs", "words"),
    [
        (
            VEO,
            ("price", "rows", 4),
            "1.92",
            [{"duration": d, "resolution": "4k", "generate_audio": False} for d in ("4",)] + [{"duration": 4}],
            ("price.rows[4, 4k, false]", "1.60", "1.92"),
        ),
        (
            WAN,
            ("price", "case", 0, "price", "usd"),
            "0.12",
            [{"duration": "5", "resolution": r} for r in ("720p", "720P", "1080p")] + [{"resolution": "720p"}],
            ("price.case[0].price.usd", "0.10", "0.12"),
        ),
        (
            KLING,
            ("price", "included"),
            6,
            [{"duration": d} for d in (5, 7, "9", 10)],
            ("price.included", "5", "6"),
        ),
        (
            SPEECH,
            ("price", "usd"),
            "0.07",
            [{"prompt": "a" * n} for n in (10, 277, 1999)],
            ("price.usd", "0.06", "0.07"),
        ),
        (WAN, ("input", "duration", "default"), "5", [{}, {"duration": "10"}], ("input.duration.default", "15", "5")),
    ],
)
def test_a_field_of_any_kind_of_price_is_named(
    slug: str, path: tuple[str | int, ...], value: Any, inputs: list[dict[str, Any]], words: tuple[str, str, str]
) -> None:
    model = BOOK[slug]
    true = changed(model, path, value)
    explained = explain(model, billed(model, true, *inputs))
    assert words in named(explained)
    assert explained.explanations[0].explained == explained.repriced == len(inputs)
    if slug in (WAN, KLING, SPEECH, VEO) and path[0] == "price":
        assert named(explained) == [words]


def test_a_price_that_is_right_needs_no_explanation() -> None:
    for slug, inputs in ((KLEIN, MIXED), (WAN, [{}, {"duration": "5"}]), (NANO, [{"num_images": 3}])):
        explained = explain(BOOK[slug], billed(BOOK[slug], BOOK[slug], *inputs))
        assert explained == (len(inputs), len(inputs), [])


def test_a_change_of_the_price_in_the_midst_is_explained_as_far_as_it_goes() -> None:
    model = BOOK[NANO]
    inputs = [{"num_images": count} for count in (1, 2, 3, 4)]
    both = billed(model, model, *inputs) + billed(model, changed(model, ("price", "usd"), "0.05"), *inputs, weight=5)
    explained = explain(model, both)
    assert named(explained) == [("price.usd", "0.04", "0.05")]
    assert (explained.repriced, explained.right, explained.explanations[0].explained) == (24, 4, 20)


def test_what_no_single_field_explains_is_not_explained() -> None:
    model = BOOK[NANO]
    costs = Counter(
        {Billed(f'{{"num_images":{n}}}', n * 4_000_000, n * 4_000_000, 10**6 + n**n): 1 for n in (1, 2, 3)}
    )
    assert explain(model, costs).explanations[0].explained == 1
    assert explain(model, Counter()).explanations == []


def test_requests_whose_price_was_open_or_that_the_price_has_changed_for_tell_nothing() -> None:
    model = BOOK[KLEIN]
    open_price = Billed('{"image_urls":[1]}', 1_400_000, 1_700_000, 1_500_000)
    earlier = Billed('{"image_size":"square","image_urls":[1]}', 1_300_000, 1_300_000, 1_300_000)
    unreadable = Billed("?", 1_400_000, 1_400_000, 1_500_000)
    assert explain(model, Counter({open_price: 5, earlier: 5, unreadable: 5})) == (0, 0, [])


def test_what_cost_more_than_it_could_tells_something_though_its_price_was_open() -> None:
    model = BOOK[KLEIN]
    over = Billed('{"image_urls":[1]}', 1_400_000, 1_700_000, 2_000_000)
    explained = explain(model, Counter({over: 3}))
    assert (explained.repriced, explained.right) == (3, 0)
    assert ("price.base_usd", "0.014", "0.02") in named(explained)


def test_of_the_amounts_that_an_open_price_leaves_possible_the_roundest_is_named() -> None:
    """1920 × 1088 pixels, a frame more than 24 a second, $2.80 a million tokens: 2.69 to 2.83 would say it too."""
    model = BOOK[SEEDANCE]
    costs = {seconds: 1920 * 1088 * (24 * seconds + 1) * 280 // 1024 for seconds in (5, 10)}
    bills = Counter(
        Billed(quoted.facts, quoted.estimate, quoted.hold, cost)
        for quoted, cost in ((quote(model, {"duration": seconds}), cost) for seconds, cost in costs.items())
    )
    assert all(each.cost > each.hold for each in bills)
    assert named(explain(model, bills)) == [("price.usd", "2.5", "2.80")]


def test_every_amount_of_the_book_can_be_changed_and_is_found() -> None:
    found = {field.name: field.value for field in amounts(BOOK[VEO])}
    assert found["price.rows[4, 720p, false]"] == "0.80"
    for model in BOOK.values():
        for field in amounts(model):
            assert parse_usd(field.value) >= 0
            dearer = changed(model, field.path, "9.87")
            assert "9.87" in {each.value for each in amounts(dearer)}
            assert [each.name for each in amounts(dearer)] == [each.name for each in amounts(model)]


def test_a_value_that_a_price_cannot_have_is_no_variant() -> None:
    with pytest.raises(ValueError, match="megapixel_pixels"):
        changed(BOOK[KLEIN], ("price", "megapixel_pixels"), 0)
