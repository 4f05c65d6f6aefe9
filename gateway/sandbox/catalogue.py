"""The models that this sandbox knows: their schemas as published, and their prices."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from gateway.sandbox import pricing
from gateway.sandbox.pricing import Facts, Input

Schema = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: what it takes, what it returns, what it costs."""

    slug: str
    title: str
    output_type: str
    request_schema: Schema
    price: Callable[[Input], Decimal]
    facts: Callable[[Input], Facts]
    """What of an input decides the price, for the books."""
    sync: bool = False
    """Whether /v1/prediction/run serves it."""

    def published(self) -> dict[str, object]:
        """The model as /v1/models shows it."""
        return {
            "title": self.title,
            "slug": self.slug,
            "version": "0.0.1",
            "output_type": self.output_type,
            "request_schema": self.request_schema,
        }


def models() -> dict[str, Model]:
    """Every model by its slug."""
    return {model.slug: model for model in (_klein_edit(), _background_remover(), _nano_banana())}


def _klein_edit() -> Model:
    def price(given: Input) -> Decimal:
        _, width, height = pricing.size_of(given)
        return pricing.per_megapixel("0.014", "0.001", width * height, pricing.images_of(given))

    def facts(given: Input) -> Facts:
        name, width, height = pricing.size_of(given)
        return {
            "image_size": name,
            "width": width,
            "height": height,
            "megapixels": pricing.megapixels(width * height),
            "num_images": pricing.images_of(given),
        }

    return Model(
        slug="flux-2-klein-4b-base-edit",
        title="Flux 2 | Klein | 4B | Base | Edit",
        output_type="array",
        request_schema=_klein_edit_schema(),
        price=price,
        facts=facts,
    )


def _klein_edit_schema() -> Schema:
    images = _text("The URLs of the images for editing. A maximum of 4 images are allowed.")
    images |= {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4}
    size = "The size of the generated image. If not provided, uses the input image size."
    return {
        "type": "object",
        "required": ["prompt", "image_urls"],
        "properties": {
            "prompt": _text("The prompt to edit the image."),
            "image_urls": images,
            "num_inference_steps": _integer("The number of inference steps to perform.", 4, 8, 4),
            "image_size": _text(size, list(pricing.SIZES), "landscape_4_3"),
            "num_images": _integer("The number of images to generate.", 1, 4, 1),
            "enable_safety_checker": {
                "type": "boolean",
                "default": True,
                "description": "If set to true, the safety checker will be enabled.",
            },
            "output_format": _output_format("jpeg", "png", "webp"),
            "seed": {
                "type": "integer",
                "description": "The seed to use for the generation. If not provided, a random seed will be used.",
            },
        },
    }


def _background_remover() -> Model:
    properties = {"image_url": _text("The URL of the image.")}
    return Model(
        slug="eachlabs-bg-remover-v1",
        title="Eachlabs Background Remover v1",
        output_type="string",
        request_schema={"type": "object", "required": ["image_url"], "properties": properties},
        price=lambda _given: pricing.fixed("0.017"),
        facts=lambda _given: {},
        sync=True,
    )


def _nano_banana() -> Model:
    properties = {
        "prompt": _text("The prompt to generate the image from."),
        "num_images": _integer("The number of images to generate.", 1, 4, 1),
        "output_format": _output_format("jpeg", "png"),
    }
    return Model(
        slug="nano-banana",
        title="Nano Banana",
        output_type="array",
        request_schema={"type": "object", "required": ["prompt"], "properties": properties},
        price=lambda given: pricing.per_image("0.04", pricing.images_of(given)),
        facts=lambda given: {"num_images": pricing.images_of(given)},
    )


def _text(description: str, one_of: list[str] | None = None, default: str | None = None) -> Schema:
    schema: Schema = {"type": "string", "description": description}
    if one_of is not None:
        schema |= {"enum": one_of, "default": default}
    return schema


def _integer(description: str, least: int, most: int, default: int) -> Schema:
    bounds = {"minimum": least, "maximum": most, "default": default}
    return {"type": "integer", "description": description, **bounds}


def _output_format(*formats: str) -> Schema:
    return _text("The format of the generated image.", list(formats), "png")
