"""The shipped book, against every price that upstream's public pages state."""

from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import Code, Refused
from gateway.policy import load_policy
from gateway.pricing import Model, Quote, quote, unpriced_quote, validate

POLICIES = Path(__file__).parents[2] / "policies"
BOOK = load_policy(POLICIES).models
URL = "https://example.com/1"
#: Whatever a model requires, so that the cases name only what decides the price.
REQUIRED = {
    "prompt": "a cat",
    "image_url": URL,
    "image_urls": [URL],
    "video_url": URL,
    "audio_url": URL,
    "source_image": URL,
    "target_image_gif_or_video": URL,
    "messages": "hello",
    "model": "openai/gpt-5.1",
}
KLING_1, KLING_2 = "kling-v1-5-pro-text-to-video", "kling-v2-1-standard-image-to-video"
VEO, HAILUO, WAN = "veo3-1-text-to-video", "minimax-hailuo-v2-3-standard-text-to-video", "wan-v2-6-text-to-video"
PRO, LITE, PRO_1_5 = (f"seedance-v1-{name}-text-to-video" for name in ("pro", "lite", "5-pro"))
SPEECH, ROUTER = "minimax-speech-2-8-turbo", "eachlabs-llm-router"


def priced(slug: str, /, **given: Any) -> Quote:
    known = BOOK[slug].input
    input = {name: value for name, value in REQUIRED.items() if name in known} | given
    validate(BOOK[slug], input)
    return quote(BOOK[slug], input)


def dollars(slug: str, /, **input: Any) -> tuple[str, str]:
    body = priced(slug, **input).as_json()
    return body["estimate_usd"], body["hold_usd"]


def veo(duration: Any, resolution: str, audio: Any, usd: str) -> tuple[str, dict[str, Any], str]:
    return VEO, {"duration": duration, "resolution": resolution, "generate_audio": audio}, usd


@pytest.mark.parametrize(
    ("slug", "input", "usd"),
    [
        ("nano-banana-pro", {}, "0.15"),
        ("nano-banana-pro", {"resolution": "2K"}, "0.15"),
        ("nano-banana-pro", {"resolution": "4K"}, "0.30"),
        ("nano-banana-pro", {"resolution": "1K", "num_images": 4}, "0.60"),
        ("nano-banana-pro", {"resolution": "2K", "num_images": "3"}, "0.45"),
        ("nano-banana-pro", {"resolution": "4K", "num_images": "4"}, "1.20"),
        ("nano-banana", {"num_images": "1"}, "0.04"),
        ("nano-banana", {"num_images": 4}, "0.16"),
        ("bfl-flux-lora", {"num_images": 3, "image_size": "square_hd"}, "0.105"),
        (KLING_1, {}, "0.50"),
        (KLING_1, {"duration": "10"}, "1.00"),
        (KLING_1, {"duration": 10}, "1.00"),
        (KLING_2, {}, "0.28"),
        (KLING_2, {"duration": 10}, "0.56"),
        veo("4", "720p", False, "0.80"),
        veo("4", "720p", True, "1.60"),
        veo("4", "1080p", "false", "0.80"),
        veo("4", "1080p", "true", "1.60"),
        veo("4", "4k", False, "1.60"),
        veo("4", "4k", True, "2.40"),
        veo(6, "720p", False, "1.20"),
        veo(6, "720p", True, "2.40"),
        veo(8, "720p", True, "3.20"),
        (HAILUO, {}, "0.28"),
        (HAILUO, {"duration": 10}, "0.56"),
        (WAN, {"duration": "5", "resolution": "720p"}, "0.50"),
        (WAN, {"duration": 5, "resolution": "720P"}, "0.50"),
        (WAN, {"duration": 10, "resolution": "1080p"}, "1.50"),
        (SPEECH, {"prompt": "a" * 1000}, "0.06"),
        (SPEECH, {"prompt": "a"}, "0.00006"),
        ("latentsync", {}, "0.20"),
        ("each-faceswap-v1", {}, "0.06"),
        ("eachlabs-bg-remover-v1", {}, "0.017"),
    ],
)
def test_every_documented_price_is_the_estimate(slug: str, input: dict[str, Any], usd: str) -> None:
    estimate, hold = dollars(slug, **input)
    assert estimate == usd
    assert slug == "latentsync" or hold == usd  # its cost follows from the output


@pytest.mark.parametrize(
    ("slug", "usd"),
    [
        ("nano-banana-pro", "0.15"),
        ("nano-banana", "0.04"),
        ("bfl-flux-lora", "0.035"),
        ("eachlabs-bg-remover-v1", "0.017"),
        ("each-faceswap-v1", "0.06"),
        (VEO, "3.20"),
        (HAILUO, "0.28"),
        (WAN, "2.25"),
        ("latentsync", "0.20"),
    ],
)
def test_a_page_whose_default_example_agrees_with_its_rule_is_met_by_the_defaults(slug: str, usd: str) -> None:
    assert dollars(slug)[0] == usd


def test_the_default_example_of_speech_is_rounded_to_four_decimals_by_the_page_alone() -> None:
    """The page says $0.0166; 277 characters at $0.06 a thousand are $0.01662, which is what we charge."""
    assert dollars(SPEECH, prompt="a" * 277) == ("0.01662", "0.01662")


def test_the_default_example_of_klein_is_its_formula_at_no_megapixel_and_we_charge_the_first() -> None:
    """The page says $0.0130 = 0.014 + 0.001 × (0 − 1). An image has a first megapixel: 0.014."""
    assert dollars("flux-2-klein-4b-base-edit", image_size="landscape_4_3") == ("0.014", "0.014")


def test_seedance_is_priced_by_the_formula_of_its_page_and_not_by_the_rounded_examples_beside_it() -> None:
    """1080p, 5 s: 1920 × 1080 × 24 × 5 / 1024 = 243,000 tokens; the page calls $0.62 rough.

    720p, 5 s of the lite model: 108,000 tokens, where the page's $0.18 would be 100,000. Both sentences cannot be
    right; the formula never holds too little.
    """
    assert priced(PRO).as_json()["lines"] == [
        {"what": "1,000,000 tokens", "quantity": "0.243", "unit_usd": "2.50", "usd": "0.6075"}
    ]
    assert dollars(LITE)[0] == "0.1944"
    assert dollars(PRO, resolution="480p", aspect_ratio="1:1", duration=10)[0] == "0.24"
    assert dollars(PRO_1_5)[0] == "0.2592"
    assert dollars(PRO_1_5, generate_audio=False)[0] == dollars(PRO_1_5, generate_audio="false")[0] == "0.1296"


def test_the_frames_that_the_maker_makes_are_within_the_hold_of_seedance() -> None:
    """1920 × 1088, and one frame more than 24 × 5: $0.6171, which is the page's "roughly $0.62"."""
    maker = -(-1920 * 1088 * 121 * 250 // 1024)
    assert priced(PRO).estimate < maker <= priced(PRO).hold


def test_classes_of_tokens_are_held_at_the_most_that_the_maker_makes() -> None:
    gpt = "gpt-image-v2-text-to-image"
    assert dollars(gpt) == ("0.21073", "0.875515")
    assert dollars(gpt, num_images=4)[1] == "3.501745"
    first, second, *_ = priced(gpt).as_json()["lines"]
    assert (first["what"], first["quantity"], first["unit_usd"]) == (
        "1,000,000 text input tokens",
        "0.000002",
        "5.00",
    )
    assert (second["quantity"], second["unit_usd"], second["usd"]) == ("0.007024", "30.00", "0.21072")
    with pytest.raises(Refused, match="n must be an integer from 1 to 1"):
        priced(gpt, n=10)


def test_the_video_api_is_held_at_the_hour_after_which_a_run_is_killed() -> None:
    """The documentation's example: 191 s and 1.404 GB are 0.2865 + 0.3612; an hour and 4 GB are what we hold."""
    assert dollars("eachlabs-video-api") == ("0.045", "6.54")


def test_a_model_inside_the_input_has_the_price_of_its_own_tokens() -> None:
    """$1.25 and $10 per million: a text of 6 bytes and at most 100 tokens to write."""
    assert dollars(ROUTER, messages="hello!", max_tokens=100) == ("0.0010025", "0.0010275")
    assert dollars(ROUTER, messages=[{"role": "user", "content": "hello!"}])[1] == "1.78"
    with pytest.raises(Refused, match='no price for model "openai/gpt-9"') as refused:
        priced(ROUTER, model="openai/gpt-9")
    assert refused.value.code is Code.MODEL_UNPRICED


def test_a_page_without_a_price_is_a_model_without_one() -> None:
    with pytest.raises(Refused, match="the price of flux-2 is not known here") as refused:
        priced("flux-2")
    assert refused.value.code is Code.MODEL_UNPRICED


@pytest.mark.parametrize("input", [{"duration": 8, "generate_audio": False}, {"duration": 6, "resolution": "4k"}])
def test_a_row_that_the_book_does_not_have_is_refused(input: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="there is no price for duration") as refused:
        priced(VEO, **input)
    assert refused.value.code is Code.MODEL_UNPRICED


@pytest.mark.parametrize("model", BOOK.values(), ids=lambda model: model.slug)
def test_every_model_says_where_its_price_was_read_and_of_when_it_is(model: Model) -> None:
    assert model.source.startswith("https://")
    assert model.price is None or model.price_version[:4] == "2026"
    assert model.price_confirmed


@pytest.mark.parametrize("model", BOOK.values(), ids=lambda model: model.slug)
def test_every_file_has_the_name_of_its_model(model: Model) -> None:
    assert f'slug = "{model.slug}"' in (POLICIES / "models" / f"{model.slug}.toml").read_text()


def test_the_book_has_every_model_whose_rule_is_public() -> None:
    assert len(BOOK) == 21


@pytest.mark.parametrize("model", BOOK.values(), ids=lambda model: model.slug)
def test_what_a_request_states_is_there_for_guards_under_the_name_that_models_share(model: Model) -> None:
    shared = {"num_images": "images", "duration": "seconds", "image_size": "pixels", "resolution": "pixels"}
    input = {name: value for name, value in REQUIRED.items() if name in model.input}
    quantities = unpriced_quote(model.slug, 1, model, input).quantities
    if model.price is not None:
        quantities = {**quantities, **quote(model, input).quantities}
    for parameter in shared.keys() & model.input.keys():
        assert shared[parameter] in quantities
