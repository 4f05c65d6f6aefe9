"""A base for an image's first megapixel and an extra for each further one, begun ones counted whole."""

from functools import cached_property
from typing import NamedTuple

from gateway.pricing.bill import Bill, Line
from gateway.pricing.inputs import Inputs
from gateway.pricing.refusal import shown
from gateway.pricing.rule import Rule, amount, at_least_one
from gateway.pricing.size import size_pixels


class _Megapixels(NamedTuple):
    """The megapixels of one image: as they should be, at the most, and why the two differ."""

    likely: int
    most: int
    assumptions: tuple[str, ...] = ()


class Megapixel(Rule, frozen=True, tag="megapixel"):
    """A price of `base_usd + extra_usd × (max(1, ceil(pixels / megapixel_pixels)) − 1)` for each image.

    An image of unknown size is held at `max_megapixels`; a known one is billed as it is, even above that. With
    `bill_inputs` each image of `inputs_parameter` adds its own megapixels to every image made: their sizes are
    never known, so one megapixel is estimated and `max_megapixels` are held for each.
    """

    base_usd: str
    extra_usd: str
    megapixel_pixels: int = 1_000_000
    max_megapixels: int = 4
    bill_inputs: bool = False
    size_parameter: str = "image_size"
    images_parameter: str = "num_images"
    inputs_parameter: str = "image_urls"

    def __post_init__(self) -> None:
        at_least_one("megapixel_pixels", self.megapixel_pixels)
        at_least_one("max_megapixels", self.max_megapixels)
        _ = self.base, self.extra

    @cached_property
    def base(self) -> int:
        """The price of an image with its first megapixel, in units of 1e-8 USD."""
        return amount("base_usd", self.base_usd)

    @cached_property
    def extra(self) -> int:
        """The price of each further megapixel, in units of 1e-8 USD."""
        return amount("extra_usd", self.extra_usd)

    def bill(self, inputs: Inputs) -> Bill:
        """Price all images; quantities: `megapixels` of one image made, `images`, `total_megapixels` billed."""
        images = inputs.count(self.images_parameter)
        size = self._size(inputs)
        sources = inputs.length(self.inputs_parameter) if self.bill_inputs else 0
        most = size.most + sources * self.max_megapixels  # per image, inputs included
        return Bill(
            lines=self._lines(images, size.likely, sources),
            hold=images * (self.base + self.extra * (most - 1)),
            assumptions=size.assumptions + self._about_sources(sources),
            quantities={"megapixels": size.most, "images": images, "total_megapixels": images * most},
        )

    def _lines(self, images: int, megapixels: int, sources: int) -> tuple[Line, ...]:
        lines = [Line.of("image with its first megapixel", images, self.base)]
        if megapixels > 1:
            lines.append(Line.of("extra megapixel", images * (megapixels - 1), self.extra))
        if sources:
            lines.append(Line.of("megapixel of an input image", images * sources, self.extra))
        return tuple(lines)

    def _size(self, inputs: Inputs) -> _Megapixels:
        """Find the size of one image made: certain, likely by the schema's default, or bounded only."""
        name = self.size_parameter
        value = inputs.input.get(name)
        if value is None:
            return self._default_size(inputs.default(name))
        pixels = size_pixels(value, name)
        if pixels is None:
            return self._bounded(f"{name} {shown(value)} states no size")
        certain = self._megapixels(pixels)
        return _Megapixels(certain, certain)

    def _default_size(self, default: object) -> _Megapixels:
        """Estimate by the default, hold the bound: upstream also says that it follows the input image then."""
        name = self.size_parameter
        pixels = None if default is None else size_pixels(default, name)
        if pixels is None:
            return self._bounded(f"{name} is not given")
        likely = self._megapixels(pixels)
        most = max(likely, self.max_megapixels)
        text = f"{name} is not given: estimated as {shown(default)}, held at {most} megapixels, the most it can be"
        return _Megapixels(likely, most, (text,))

    def _bounded(self, reason: str) -> _Megapixels:
        most = self.max_megapixels
        return _Megapixels(most, most, (f"{reason}: estimated and held at {most} megapixels, the most it can be",))

    def _about_sources(self, sources: int) -> tuple[str, ...]:
        if not sources:
            return ()
        return (
            f"the sizes of {self.inputs_parameter} ({sources}) are unknown: estimated at 1 megapixel each, "
            f"held at {self.max_megapixels} each",
        )

    def _megapixels(self, pixels: int) -> int:
        """Round up; pixels are at least 1, and so is the result."""
        return -(-pixels // self.megapixel_pixels)
