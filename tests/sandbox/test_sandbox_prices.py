"""What runs of each model cost here, worked out from the pages and not from the gateway."""

from decimal import Decimal
from random import Random

import pytest

from gateway.sandbox import pricing
from gateway.sandbox.catalogue import models
from gateway.sandbox.validation import problems

MODELS = models()


@pytest.mark.parametrize(
    ("slug", "given", "cost"),
    [
        ("flux-2-klein-4b-base-edit", {"image_size": "square_hd", "num_images": 2}, "0.03"),
        ("nano-banana", {"num_images": "3"}, "0.12"),
        ("nano-banana-pro", {"resolution": "4K", "num_images": 2}, "0.60"),
        ("bfl-flux-lora", {}, "0.035"),
        ("eachlabs-bg-remover-v1", {}, "0.017"),
        ("each-faceswap-v1", {}, "0.06"),
        ("kling-v1-5-pro-text-to-video", {"duration": 10}, "1"),
        ("kling-v2-1-standard-image-to-video", {"duration": "10"}, "0.56"),
        ("veo3-1-text-to-video", {}, "3.2"),
        ("veo3-1-text-to-video", {"duration": "4", "resolution": "4k", "generate_audio": False}, "1.6"),
        ("minimax-hailuo-v2-3-standard-text-to-video", {"duration": 10}, "0.56"),
        ("wan-v2-6-text-to-video", {}, "2.25"),
        ("wan-v2-6-text-to-video", {"resolution": "720P", "duration": 5}, "0.5"),
        ("seedance-v1-pro-text-to-video", {}, "0.6171"),
        ("seedance-v1-lite-text-to-video", {}, "0.1868724"),
        ("seedance-v1-5-pro-text-to-video", {"generate_audio": "false"}, "0.1245816"),
        ("minimax-speech-2-8-turbo", {"prompt": "a" * 277}, "0.01662"),
    ],
)
def test_a_run_costs_what_its_page_says(slug: str, given: dict[str, object], cost: str) -> None:
    assert MODELS[slug].cost({"prompt": ""} | given, Random(0)) == Decimal(cost)


def test_the_documented_example_of_the_video_api() -> None:
    """190.3 s of ffmpeg and 1.404 GB: 191 × 0.0015 + 1.204 × 0.30."""
    assert pricing.metered(Decimal("190.3"), Decimal("1.404")) == Decimal("0.6477")
    assert pricing.metered(Decimal("0.2"), Decimal("0.2")) == Decimal("0.0075")
    assert pricing.metered(Decimal(9999), Decimal(0)) == Decimal("5.4")


def test_the_makers_examples_of_gpt_image() -> None:
    found = [pricing.gpt_image_tokens(96, *size) for size in ((1024, 1024), (1536, 1024), (1792, 1024), (2880, 2880))]
    assert found == [7024, 5488, 5063, 23719]


@pytest.mark.parametrize(
    "slug", ["latentsync", "gpt-image-v2-text-to-image", "eachlabs-video-api", "eachlabs-llm-router"]
)
def test_what_only_the_run_decides_differs_from_run_to_run_and_repeats_with_its_seed(slug: str) -> None:
    given = {"prompt": "a cat", "messages": "hello", "model": "openai/gpt-5.1"}
    costs = [MODELS[slug].cost(given, chance) for chance in [Random(7)] for _ in range(20)]
    assert len(set(costs)) > 10
    assert costs == [MODELS[slug].cost(given, chance) for chance in [Random(7)] for _ in range(20)]


def test_a_schema_may_allow_several_types_and_bounds_of_texts_and_numbers() -> None:
    schema = {
        "required": [],
        "properties": {
            "duration": {"type": ["integer", "string"], "enum": [5, "5"]},
            "scale": {"type": "number", "minimum": 1, "maximum": 2},
            "text": {"type": "string", "minLength": 1},
        },
    }
    assert problems(schema, {"duration": 5, "scale": 1.5, "text": "a"}) == []
    assert problems(schema, {"duration": 5.0, "scale": 2.5, "text": ""}) == [
        "duration must be of type integer or string",
        "scale must be at most 2",
        "the length of text must be at least 1",
    ]
