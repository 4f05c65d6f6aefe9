"""Models that make images, at prices that the request decides."""

from decimal import Decimal

from gateway.sandbox import pricing
from gateway.sandbox.catalogue.model import Facts, Given, Model
from gateway.sandbox.catalogue.schemas import choice, flag, images, integer, number, takes, text

RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
FORMAT = "The format of the generated image."


def image_models() -> tuple[Model, ...]:
    """All of them."""
    return (
        _klein_edit(),
        _flux_2(),
        _flux_lora(),
        _nano_banana(),
        _nano_banana_pro(),
        _background_remover(),
        _face_swap(),
    )


def _klein_edit() -> Model:
    urls = text("The URLs of the images for editing. A maximum of 4 images are allowed.")
    urls |= {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4}
    size = "The size of the generated image. If not provided, uses the input image size."
    safety = "If set to true, the safety checker will be enabled."
    seed = "The seed to use for the generation. If not provided, a random seed will be used."
    return Model(
        slug="flux-2-klein-4b-base-edit",
        title="Flux 2 | Klein | 4B | Base | Edit",
        output_type="array",
        request_schema=takes(
            "prompt",
            "image_urls",
            prompt=text("The prompt to edit the image."),
            image_urls=urls,
            num_inference_steps=integer(4, 8, 4, "The number of inference steps to perform."),
            image_size=choice(*pricing.SIZES, default="landscape_4_3", description=size),
            num_images=images(),
            enable_safety_checker=flag(default=True, description=safety),
            output_format=choice("jpeg", "png", "webp", default="png", description=FORMAT),
            seed=integer(about=seed),
        ),
        price=lambda given, _chance: pricing.per_megapixel("0.014", "0.001", _pixels(given), given["num_images"]),
        told=_klein_facts,
    )


def _klein_facts(given: Given) -> Facts:
    width, height = pricing.SIZES[given["image_size"]]
    return {
        "image_size": given["image_size"],
        "width": width,
        "height": height,
        "megapixels": pricing.megapixels(width * height),
        "num_images": given["num_images"],
    }


def _pixels(given: Given) -> int:
    width, height = pricing.SIZES[given["image_size"]]
    return width * height


def _made(given: Given) -> Facts:
    return {"num_images": int(given["num_images"])}


def _flux_2() -> Model:
    """Upstream publishes no price of this one; it costs all the same."""
    return Model(
        slug="flux-2",
        title="Flux 2",
        output_type="array",
        request_schema=takes(
            "prompt",
            prompt=text(),
            image_size=choice(*pricing.SIZES, default="landscape_4_3"),
            num_images=images(),
            num_inference_steps=integer(4, 50, 28),
            guidance_scale=number(0, 20, 2.5),
            output_format=choice("jpeg", "png", "webp", default="png", description=FORMAT),
        ),
        price=lambda given, _chance: Decimal("0.012") * pricing.megapixels(_pixels(given)) * given["num_images"],
        told=_made,
    )


def _flux_lora() -> Model:
    return Model(
        slug="bfl-flux-lora",
        title="Flux Lora",
        output_type="array",
        request_schema=takes(
            "prompt",
            prompt=text(),
            image_size=choice(*pricing.SIZES, default="landscape_4_3"),
            num_inference_steps=integer(1, 50, 28),
            guidance_scale=number(0, 35, 3.5),
            num_images=images(),
            output_format=choice("jpeg", "png", default="jpeg", description=FORMAT),
        ),
        price=lambda given, _chance: Decimal("0.035") * given["num_images"],
        told=_made,
    )


def _nano_banana() -> Model:
    return Model(
        slug="nano-banana",
        title="Nano Banana",
        output_type="array",
        request_schema=takes(
            "prompt",
            prompt=text("The prompt to generate the image from."),
            num_images=_one_to_four(),
            aspect_ratio=choice(*RATIOS, default="1:1"),
            output_format=choice("jpeg", "png", default="png", description=FORMAT),
        ),
        price=lambda given, _chance: Decimal("0.04") * int(given["num_images"]),
        told=_made,
    )


def _nano_banana_pro() -> Model:
    each = {"1K": "0.15", "2K": "0.15", "4K": "0.30"}
    return Model(
        slug="nano-banana-pro",
        title="Nano Banana Pro",
        output_type="array",
        request_schema=takes(
            "prompt",
            prompt=text("The text prompt to generate an image from."),
            num_images=_one_to_four(),
            aspect_ratio=choice(*RATIOS, default="1:1"),
            resolution=choice(*each, default="1K"),
            output_format=choice("jpeg", "png", "webp", default="png", description=FORMAT),
        ),
        price=lambda given, _chance: Decimal(each[given["resolution"]]) * int(given["num_images"]),
        told=lambda given: _made(given) | {"resolution": given["resolution"]},
    )


def _one_to_four() -> dict[str, object]:
    """The page calls it an integer, and sends a text in its own example."""
    return {"type": ["integer", "string"], "enum": [1, 2, 3, 4, "1", "2", "3", "4"], "default": 1}


def _background_remover() -> Model:
    return Model(
        slug="eachlabs-bg-remover-v1",
        title="Eachlabs Background Remover v1",
        output_type="string",
        request_schema=takes("image_url", image_url=text("The URL of the image.")),
        price=lambda _given, _chance: Decimal("0.017"),
        sync=True,
    )


def _face_swap() -> Model:
    return Model(
        slug="each-faceswap-v1",
        title="Eachlabs Face Swap",
        output_type="image",
        request_schema=takes(
            "source_image",
            "target_image_gif_or_video",
            source_image=text("The image containing the face to be swapped."),
            target_image_gif_or_video=text("The image where the swapped face will be placed."),
        ),
        price=lambda _given, _chance: Decimal("0.06"),
    )
