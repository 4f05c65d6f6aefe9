"""Models whose cost follows from their text, or only from the run."""

from decimal import Decimal
from random import Random
from typing import Any

from gateway.sandbox import pricing
from gateway.sandbox.catalogue.model import Given, Model
from gateway.sandbox.catalogue.schemas import choice, integer, number, takes, text

ROUTER_CONTEXT = 400_000
ROUTER_OUTPUT = 128_000
#: Sizes that GPT Image 2 makes; the last is the largest that there is.
GPT_SIZES = ((1024, 1024), (1536, 1024), (1024, 1792), (2048, 2048), (3840, 2160), (2880, 2880))


def metered_models() -> tuple[Model, ...]:
    """All of them."""
    return (_latentsync(), _speech(), _gpt_image(), _video_api(), _llm_router())


def _latentsync() -> Model:
    """Outputs of up to ten minutes."""
    return Model(
        slug="latentsync",
        title="LatentSync",
        output_type="video",
        request_schema=takes(
            "video_url",
            "audio_url",
            video_url=text(),
            audio_url=text(),
            guidance_scale=number(1, 2, 1),
            seed=integer(),
            loop_mode=text(enum=["pingpong", "loop"]),
        ),
        price=lambda _given, chance: pricing.beyond("0.20", 40, "0.005", _between(chance, "0.5", "600")),
    )


def _speech() -> Model:
    return Model(
        slug="minimax-speech-2-8-turbo",
        title="Minimax | Speech | 2.8 | Turbo",
        output_type="audio",
        request_schema=takes("prompt", prompt=text(minLength=1), output_format=choice("url", "hex", default="hex")),
        price=lambda given, _chance: Decimal("0.06") * pricing.utf16_units(given["prompt"]) / 1000,
        told=lambda given: {"characters": pricing.utf16_units(given["prompt"])},
    )


def _gpt_image() -> Model:
    return Model(
        slug="gpt-image-v2-text-to-image",
        title="GPT Image | v2 | Text to Image",
        output_type="array",
        request_schema=takes(
            "prompt", prompt=text(), num_images=integer(1, 4, 1), image_size=text(default="auto"), quality=text()
        ),
        price=_gpt_image_price,
        told=lambda given: {"num_images": given["num_images"]},
    )


def _gpt_image_price(given: Given, chance: Random) -> Decimal:
    """Any size and quality, since "auto" leaves both to the model; and a few words about each image."""
    cost = pricing.tokens(_text_tokens(given["prompt"], chance), "5")
    for _ in range(given["num_images"]):
        image = pricing.gpt_image_tokens(chance.choice((16, 48, 96)), *chance.choice(GPT_SIZES))
        cost += pricing.tokens(image, "30") + pricing.tokens(chance.choice((0, chance.randint(0, 4096))), "40")
    return cost


def _video_api() -> Model:
    """Jobs of up to an hour, which deliver up to 4 GB."""
    return Model(
        slug="eachlabs-video-api",
        title="Eachlabs Video API",
        output_type="array",
        request_schema=takes(
            capability=text(),
            input_url=text(),
            input_urls={"type": "array", "items": {"type": "string"}},
            params={"type": "object"},
        ),
        price=lambda _given, chance: pricing.metered(_between(chance, "0.2", "3900"), _between(chance, "0", "4")),
    )


def _llm_router() -> Model:
    rates = {"openai/gpt-5.1": ("1.25", "10")}

    def price(given: Given, chance: Random) -> Decimal:
        read, wrote = rates[given["model"]]
        limit = min(given.get("max_tokens", ROUTER_OUTPUT), ROUTER_OUTPUT)
        asked = _text_tokens(given["messages"], chance)
        return pricing.tokens(asked, read) + pricing.tokens(chance.randint(0, limit), wrote)

    return Model(
        slug="eachlabs-llm-router",
        title="Eachlabs LLM Router",
        output_type="string",
        request_schema=takes(
            "model",
            "messages",
            model=text(enum=list(rates)),
            messages={"type": ["array", "string"]},
            max_tokens=integer(1),
        ),
        price=price,
        told=lambda given: {"model": given["model"]},
    )


def _text_tokens(asked: Any, chance: Random) -> int:
    """A token is a byte at the least; messages may refer to images, which fill a context."""
    if not isinstance(asked, str):
        return chance.randint(1, ROUTER_CONTEXT)
    return min(ROUTER_CONTEXT, chance.randint(0, 16) + chance.randint(0, len(asked.encode())))


def _between(chance: Random, least: str, most: str) -> Decimal:
    """A number with three decimals."""
    return Decimal(chance.randint(int(Decimal(least) * 1000), int(Decimal(most) * 1000))) / 1000
