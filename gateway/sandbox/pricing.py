"""What a run costs here. Written apart from the gateway's own pricing, on purpose."""

from collections.abc import Mapping
from decimal import Decimal

Input = Mapping[str, object]
Facts = dict[str, int | str]

MEGAPIXEL = 1_000_000
SIZES = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}


def fixed(price: str) -> Decimal:
    """The price of a model that costs the same for every run."""
    return Decimal(price)


def per_image(price: str, images: int) -> Decimal:
    """A price for each image made."""
    return Decimal(price) * images


def per_megapixel(first: str, extra: str, pixels: int, images: int) -> Decimal:
    """The first begun megapixel of each image at one price, each further one at another."""
    return (Decimal(first) + Decimal(extra) * (megapixels(pixels) - 1)) * images


def megapixels(pixels: int) -> int:
    """Begun megapixels, at least one."""
    return max(1, -(-pixels // MEGAPIXEL))


def images_of(given: Input) -> int:
    """How many images a valid input asks for."""
    number = given.get("num_images", 1)
    if not isinstance(number, int):
        raise TypeError("num_images was not validated")
    return number


def size_of(given: Input) -> tuple[str, int, int]:
    """Name, width and height of the output; without image_size it is the schema's default."""
    name = str(given.get("image_size", "landscape_4_3"))
    width, height = SIZES[name]
    return name, width, height
