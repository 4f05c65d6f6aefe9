"""Models that make videos, at prices that the request decides."""

from decimal import Decimal

from gateway.sandbox import pricing
from gateway.sandbox.catalogue.model import Facts, Given, Model, Schema, word
from gateway.sandbox.catalogue.schemas import audio, choice, flag, integer, seconds, takes, text

WIDE = ("16:9", "9:16", "1:1")


def video_models() -> tuple[Model, ...]:
    """All of them."""
    return (_kling_1_5(), _kling_2_1(), _veo(), _hailuo(), _wan(), *_seedances())


def _kling_1_5() -> Model:
    return Model(
        slug="kling-v1-5-pro-text-to-video",
        title="Kling v1.5 | Pro | Text-to-Video",
        output_type="video",
        request_schema=takes(
            "prompt",
            prompt=text(),
            duration=seconds(5, 10, default=5),
            aspect_ratio=choice(*WIDE, default="16:9"),
            negative_prompt=text(),
        ),
        price=lambda given, _chance: Decimal("0.1") * int(given["duration"]),
        told=_length,
    )


def _kling_2_1() -> Model:
    return Model(
        slug="kling-v2-1-standard-image-to-video",
        title="Kling v2.1 | Standard | Image to Video",
        output_type="video",
        request_schema=takes(
            "prompt",
            "image_url",
            prompt=text(),
            image_url=text(),
            duration=seconds(5, 10, default=5),
            aspect_ratio=choice(*WIDE, default="16:9"),
        ),
        price=lambda given, _chance: pricing.beyond("0.28", 5, "0.056", Decimal(given["duration"])),
        told=_length,
    )


def _veo() -> Model:
    return Model(
        slug="veo3-1-text-to-video",
        title="Veo 3.1 | Text to Video",
        output_type="video",
        request_schema=takes(
            "prompt",
            prompt=text(),
            duration=seconds(4, 6, 8, default=8),
            resolution=choice("720p", "1080p", "4k", default="720p"),
            generate_audio=audio(),
            aspect_ratio=choice("9:16", "16:9", default="16:9"),
        ),
        price=lambda given, _chance: pricing.veo(int(given["duration"]), given["resolution"], audio=_heard(given)),
        told=lambda given: _size(given) | {"generate_audio": word(given["generate_audio"])},
    )


def _hailuo() -> Model:
    prices = {"6": "0.28", "10": "0.56"}
    return Model(
        slug="minimax-hailuo-v2-3-standard-text-to-video",
        title="Minimax Hailuo V2.3 | Standard | Text to Video",
        output_type="video",
        request_schema=takes(
            "prompt", prompt=text(), prompt_optimizer=flag(default=True), duration=seconds(6, 10, default=6)
        ),
        price=lambda given, _chance: Decimal(prices[word(given["duration"])]),
        told=_length,
    )


def _wan() -> Model:
    return Model(
        slug="wan-v2-6-text-to-video",
        title="Wan | v2.6 | Text to Video",
        output_type="video",
        request_schema=takes(
            "prompt",
            prompt=text(),
            duration=seconds(5, 10, 15, default=15),
            resolution=choice("720p", "1080p", "720P", "1080P", default="1080p"),
            aspect_ratio=choice(*WIDE, "4:3", "3:4", default="16:9"),
            seed=integer(),
        ),
        price=lambda given, _chance: (
            Decimal("0.10" if given["resolution"].lower() == "720p" else "0.15") * int(given["duration"])
        ),
        told=lambda given: _size(given),
    )


def _seedances() -> tuple[Model, ...]:
    ratios = ("21:9", "16:9", "4:3", "1:1", "9:16")
    return (
        _seedance("v1-pro", "V1 | Pro", "1080p", ratios, 3, rate=("2.5", "2.5")),
        _seedance("v1-lite", "V1 | Lite", "720p", ratios, 3, rate=("1.8", "1.8")),
        _seedance("v1-5-pro", "V1.5 | Pro", "720p", (*ratios, "3:4"), 4, {"generate_audio": audio()}, ("1.2", "2.4")),
    )


def _seedance(
    name: str,
    title: str,
    resolution: str,
    ratios: tuple[str, ...],
    shortest: int,
    more: dict[str, Schema] | None = None,
    rate: tuple[str, str] = ("", ""),
) -> Model:
    """One of the family; `rate` is for a million tokens, without audio and with it."""
    schema = takes(
        "prompt",
        prompt=text(),
        resolution=choice(*pricing.SEEDANCE_FRAMES, default=resolution),
        aspect_ratio=choice(*ratios, default="16:9"),
        duration=seconds(*range(shortest, 13), default=5),
        camera_fixed=flag(default=False),
        seed=integer(),
        **(more or {}),
    )

    def price(given: Given, _chance: object) -> Decimal:
        made = pricing.seedance_tokens(given["resolution"], given["aspect_ratio"], int(given["duration"]))
        return pricing.tokens(made, rate[_heard(given)])

    return Model(
        slug=f"seedance-{name}-text-to-video",
        title=f"Seedance {title} | Text to Video",
        output_type="video",
        request_schema=schema,
        price=price,
        told=lambda given: _size(given) | {"aspect_ratio": given["aspect_ratio"]},
    )


def _heard(given: Given) -> bool:
    return word(given.get("generate_audio", True)) == "true"


def _length(given: Given) -> Facts:
    return {"duration": word(given["duration"])}


def _size(given: Given) -> Facts:
    return _length(given) | {"resolution": given["resolution"]}
