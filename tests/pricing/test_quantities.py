"""What requests ask for, measured: certain where they decide it, likely and most where they do not."""

from typing import Any

import msgspec
import pytest

from gateway.domain.errors import Refused
from gateway.pricing import Model, quote
from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from pricing.written import DURATION, IMAGES, written

FRAME = """
[input.resolution]
type = "string"
default = "720p"
[input.aspect_ratio]
type = "string"
default = "16:9"
[quantity.pixels]
kind = "frame"
max_pixels = 9_000_000
"""
FREE = '[price]\nkind = "fixed"\nusd = "0"\n'


def measured(model: Model, name: str, **input: Any) -> Measure:
    return Inputs(model.input, input, model.quantity).measure(name)


def pixels(model: Model, **input: Any) -> tuple[int, int]:
    found = measured(model, "pixels", **input)
    return found.likely, found.most


@pytest.mark.parametrize(
    ("resolution", "ratio", "likely"),
    [
        ("1080p", "16:9", 1920 * 1080),
        ("1080p", "9:16", 1920 * 1080),
        ("1080p", "1:1", 1080 * 1080),
        ("720p", "4:3", 960 * 720),
        ("480p", "16:9", 854 * 480),
        ("1080p", "21:9", 2520 * 1080),
        ("2160P", "16:9", 3840 * 2160),
        ("640x360", "16:9", 640 * 360),
        (None, None, 1280 * 720),
    ],
)
def test_a_resolution_gives_the_short_side_of_a_frame(resolution: Any, ratio: Any, likely: int) -> None:
    assert pixels(written(FRAME), resolution=resolution, aspect_ratio=ratio) == (likely, likely)


@pytest.mark.parametrize(
    ("resolution", "ratio", "likely"),
    [
        ("1080p", "16:9", 1920 * 1080),
        ("1080p", "1:1", 1440 * 1440),
        ("720p", "1:1", 960 * 960),
        ("480p", "1:1", 640 * 640),
        ("1K", "1:1", 1024 * 1024),
        ("4K", "1:1", 4096 * 4096),
        ("2K", "4:1", 4096 * 1024),
        ("1080p", "21:9", 1920 * 1080),
    ],
)
def test_or_its_number_of_pixels_whatever_the_ratio(resolution: str, ratio: str, likely: int) -> None:
    model = written(FRAME, "keeps_area = true")
    assert pixels(model, resolution=resolution, aspect_ratio=ratio) == (likely, likely)


@pytest.mark.parametrize(
    ("resolution", "ratio", "maker"),
    [
        ("480p", "16:9", (864, 480)),
        ("480p", "4:3", (736, 544)),
        ("480p", "1:1", (640, 640)),
        ("480p", "21:9", (960, 416)),
        ("720p", "16:9", (1248, 704)),
        ("720p", "4:3", (1120, 832)),
        ("720p", "1:1", (960, 960)),
        ("720p", "21:9", (1504, 640)),
        ("1080p", "16:9", (1920, 1088)),
        ("1080p", "4:3", (1664, 1248)),
        ("1080p", "1:1", (1440, 1440)),
        ("1080p", "21:9", (2176, 928)),
    ],
)
def test_a_margin_holds_no_less_than_the_maker_of_seedance_makes(
    resolution: str, ratio: str, maker: tuple[int, int]
) -> None:
    """The maker's own list of frames; upstream's page names resolutions only."""
    model = written(FRAME, "keeps_area = true\nmargin_percent = 5")
    likely, most = pixels(model, resolution=resolution, aspect_ratio=ratio)
    assert maker[0] * maker[1] <= most == -(-likely * 105 // 100)


@pytest.mark.parametrize(
    ("resolution", "ratio"),
    [
        ("auto", "16:9"),
        ("1080p", "auto"),
        ("huge", "1:1"),
        ("0x0", "1:1"),
        ("1080p", "0:9"),
        ([], {}),
        ("1" * 99, 7),
        ("640x360" + " " * 99, "1:1"),
    ],
)
def test_what_names_no_frame_is_estimated_and_held_at_the_most_and_said(resolution: Any, ratio: Any) -> None:
    found = measured(written(FRAME), "pixels", resolution=resolution, aspect_ratio=ratio)
    assert found.likely == found.most == 9_000_000
    assert "state no size: estimated and held at 9 megapixels" in found.assumptions[0]


def test_a_name_may_mean_another_frame_here() -> None:
    model = written(FRAME, 'sides = { "4k" = "3840x2160" }')
    assert pixels(model, resolution="4k") == (3840 * 2160,) * 2
    assert pixels(model, resolution="4k", aspect_ratio="9:16") == (3840 * 2160,) * 2


def test_a_size_follows_the_default_of_the_schema_or_with_the_input_image_the_most() -> None:
    schema = '[input.image_size]\ntype = "string"\ndefault = "square"\n[input.image_urls]\ntype = "array"\n'
    size = '[quantity.pixels]\nkind = "size"\nmax_pixels = 4_000_000\n'
    assert pixels(written(schema, size)) == (262_144, 262_144)
    assert pixels(written(schema, size, "follows_input = true")) == (262_144, 4_000_000)
    assert pixels(written(schema, size), image_size="auto") == (4_000_000, 4_000_000)
    assert pixels(written(schema, size), image_size="1920x1080") == (2_073_600, 2_073_600)


def test_tokens_of_a_video_are_its_frame_times_its_rate_times_its_duration() -> None:
    tokens = '[quantity.tokens]\nkind = "video_tokens"\nframes_per_second = 24\n'
    found = measured(written(FRAME, DURATION, tokens), "tokens", resolution="1080p")
    assert (found.bound, found.likely, found.assumptions) == (243_000, found.most, ())
    half = measured(written(FRAME, DURATION, tokens), "tokens", resolution="1080p", duration=2.5)
    assert half.bound == 121_500
    more = measured(written(FRAME, DURATION, tokens, "extra_frames = 1"), "tokens", resolution="1080p")
    assert (more.likely, more.most, more.per) == (248_832_000, 250_905_600, 1024)
    assert more.assumptions == ("24 frames a second are estimated, and 1 more held",)


def test_the_rate_of_a_video_may_be_a_parameter() -> None:
    rate = '[input.fps]\ntype = "integer"\ndefault = 25\n[quantity.rate]\nkind = "value"\nparameter = "fps"\n'
    tokens = '[quantity.tokens]\nkind = "video_tokens"\nframes_per_second = "rate"\ndivisor = 1\n'
    model = written(FRAME, DURATION, rate, tokens)
    assert measured(model, "tokens").bound == 1280 * 720 * 5 * 25
    assert measured(model, "tokens", fps=50).bound == 1280 * 720 * 5 * 50


CHARACTERS = '[input.prompt]\ntype = "string"\n[quantity.characters]\nkind = "characters"\nparameter = "prompt"\n'


@pytest.mark.parametrize(
    ("text", "likely", "most"), [("", 0, 0), ("abc", 3, 3), ("née", 3, 4), ("汉字", 2, 6), ("😀", 1, 4)]
)
def test_characters_are_certain_in_ascii_and_held_at_their_bytes_beyond(text: str, likely: int, most: int) -> None:
    found = measured(written(CHARACTERS), "characters", prompt=text)
    assert (found.likely, found.most) == (likely, most)
    assert bool(found.assumptions) == (not text.isascii())


@pytest.mark.parametrize("text", [None, 5, ["abc"], {"a": "b"}])
def test_characters_of_what_is_no_text_are_refused(text: Any) -> None:
    with pytest.raises(Refused, match="prompt sets the price: it must be a string"):
        measured(written(CHARACTERS), "characters", prompt=text)


TOKENS = (
    '[input.prompt]\ntype = "string"\n[quantity.tokens]\nkind = "text_tokens"\nparameter = "prompt"\nmost = 1_000\n'
)


@pytest.mark.parametrize(
    ("value", "likely", "most"),
    [
        ("", 0, 16),
        ("a" * 9, 3, 25),
        ("汉" * 4, 1, 28),
        ("a" * 5000, 1000, 1000),
        (None, 0, 1000),
        ([{"role": "user", "content": "hello you"}], 6, 1000),
    ],
)
def test_tokens_of_a_text_are_at_most_its_bytes(value: Any, likely: int, most: int) -> None:
    found = measured(written(TOKENS), "tokens", prompt=value)
    assert (found.likely, found.most) == (likely, most)


def test_depth_does_not_stop_the_counting_of_a_text() -> None:
    deep: Any = "a" * 8
    for _ in range(10_000):
        deep = [deep]
    assert measured(written(TOKENS), "tokens", prompt=deep).likely == 2


LIMITED = '[input.max_tokens]\ntype = "integer"\n[quantity.out]\nkind = "after_run"\nusual = 10\nmost = 100\n'


def test_a_request_may_lower_what_the_run_can_come_to() -> None:
    model = written(LIMITED, 'limit_parameter = "max_tokens"')
    for limit, expected in ((None, (10, 100)), (50, (10, 50)), (5, (5, 5)), (500, (10, 100))):
        found = measured(model, "out", max_tokens=limit)
        assert (found.likely, found.most) == expected
    with pytest.raises(Refused, match="max_tokens sets the price"):
        measured(model, "out", max_tokens=-1)


def test_items_are_counted() -> None:
    model = written('[input.urls]\ntype = "array"\n[quantity.inputs]\nkind = "items"\nparameter = "urls"\n')
    assert [measured(model, "inputs", urls=value).bound for value in (None, "one", [], ["a", "b"])] == [0, 1, 0, 2]
    with pytest.raises(Refused, match="urls sets the price"):
        measured(model, "inputs", urls={"a": 1})


def test_a_quote_has_every_quantity_at_its_most_and_the_totals_for_guards() -> None:
    price = quote(written(FRAME, DURATION, IMAGES, FREE), {"num_images": 3, "duration": 5.5})
    assert dict(price.quantities) == {
        "pixels": 921_600,
        "seconds": 5.5,
        "images": 3,
        "megapixels": 1,
        "total_pixels": 2_764_800,
    }


@pytest.mark.parametrize(
    ("quantity", "said"),
    [
        ({"kind": "valeu"}, "Invalid value 'valeu'"),
        ({"kind": "value", "parameter": "duraton"}, "uses the parameter 'duraton', which the model does not define"),
        ({"kind": "size", "max_pixels": 0}, "max_pixels must be at least 1"),
        ({"kind": "frame", "max_pixels": 1, "margin_percent": -1}, "margin_percent must be at least 0"),
        ({"kind": "frame", "max_pixels": 1, "sides": {"4k": "big"}}, "sides of '4k' must be such as"),
        ({"kind": "after_run", "usual": 2, "most": 1}, "usual 2 is above most 1"),
        ({"kind": "after_run", "usual": "1e3", "most": 1}, "usual must be a number from 0 on"),
        ({"kind": "after_run", "usual": 0.5, "most": 1}, "Expected `int | str`, got `float`"),
        ({"kind": "after_run", "usual": 1, "most": 1, "limit_parameter": "x"}, "uses the parameter 'x'"),
        ({"kind": "text_tokens", "parameter": "duration", "most": 0}, "most must be at least 1"),
        ({"kind": "video_tokens", "frames_per_second": 24}, "uses the quantity 'pixels'"),
        ({"kind": "video_tokens", "frames_per_second": 0}, "frames_per_second must be at least 1"),
        ({"kind": "video_tokens", "frames_per_second": 1, "divisor": 0}, "divisor must be at least 1"),
        ({"kind": "video_tokens", "frames_per_second": 1, "extra_frames": -1}, "extra_frames must be at least 0"),
        ({"kind": "video_tokens", "frames_per_second": 1, "pixels": "q", "seconds": "q"}, "is made of others"),
    ],
)
def test_a_quantity_that_cannot_be_measured_is_an_error_of_the_file(quantity: dict[str, Any], said: str) -> None:
    raw = {"slug": "m", "input": {"duration": {"type": "string"}}, "quantity": {"q": quantity}}
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(raw, Model)
    assert said in str(error.value)
