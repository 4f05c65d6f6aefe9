"""A base for an image's first megapixel and an extra for each further one, begun ones counted whole."""

from functools import cached_property

from gateway.pricing.bill import Bill, Line
from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from gateway.pricing.quantities.size import Size
from gateway.pricing.rule import Rule, amount, at_least_one


class Megapixel(Rule, frozen=True, tag="megapixel"):
    """A price of `base_usd + extra_usd × (max(1, ceil(pixels / megapixel_pixels)) − 1)` for each image.

    The size is that of `size_parameter`: an image of unknown size is held at `max_megapixels`, a known one is billed
    as it is, even above that. Where the model names a quantity in `pixels`, that is the size instead.

    With `bill_inputs` each image of `inputs_parameter` adds its own megapixels to every image made: where nobody has
    looked at their sizes, one megapixel is estimated and `max_megapixels` are held for each.
    """

    base_usd: str
    extra_usd: str
    megapixel_pixels: int = 1_000_000
    max_megapixels: int = 4
    bill_inputs: bool = False
    pixels: str = ""
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

    @cached_property
    def _size(self) -> Size:
        most = self.max_megapixels * self.megapixel_pixels
        return Size(
            parameter=self.size_parameter,
            max_pixels=most,
            follows_input=True,
            inputs_parameter=self.inputs_parameter,
        )

    @property
    def parameters(self) -> tuple[str, ...]:
        """Size, number and input images; the model's schema need not name them."""
        size = () if self.pixels else (self.size_parameter,)
        return (*size, self.images_parameter, self.inputs_parameter)

    @property
    def lengths(self) -> tuple[str, ...]:
        """How many input images there are."""
        return (self.inputs_parameter,)

    @property
    def images(self) -> tuple[str, ...]:
        """The input images, where they are billed or may give the size."""
        return (self.inputs_parameter,) if self.bill_inputs or not self.pixels else ()

    @property
    def quantities(self) -> tuple[str, ...]:
        """The size, where the model defines it."""
        return (self.pixels,) if self.pixels else ()

    def bill(self, inputs: Inputs) -> Bill:
        """Price all images; quantities: `pixels` and `megapixels` of one image made, `images`, `total_megapixels`."""
        pixels = inputs.measure(self.pixels) if self.pixels else self._size.measure(inputs, "pixels")
        images = inputs.count(self.images_parameter)
        made = pixels.begun(self.megapixel_pixels)
        sources = self._sources(inputs) if self.bill_inputs else Measure(0, 0)
        return Bill(
            lines=(
                Line("image with its first megapixel", self.base, images, images),
                Line("extra megapixel", self.extra, images * (made.likely - 1), images * (made.most - 1)),
                Line("megapixel of an input image", self.extra, images * sources.likely, images * sources.most),
            ),
            assumptions=pixels.assumptions + sources.assumptions,
            quantities={
                "pixels": pixels.bound,
                "megapixels": made.most,
                "images": images,
                "total_megapixels": images * (made.most + sources.most),
            },
        )

    def _sources(self, inputs: Inputs) -> Measure:
        """Add up the megapixels of the input images."""
        count = inputs.length(self.inputs_parameter)
        seen = [self._begun(pixels) for pixels in inputs.seen(self.inputs_parameter)[:count] if pixels]
        unseen = count - len(seen)
        if not unseen:
            return Measure.exactly(sum(seen))
        text = (
            f"the sizes of {self.inputs_parameter} ({unseen}) are unknown: estimated at 1 megapixel each, "
            f"held at {self.max_megapixels} each"
        )
        return Measure.between(sum(seen) + unseen, sum(seen) + unseen * self.max_megapixels, text)

    def _begun(self, pixels: int) -> int:
        """Count begun megapixels; larger inputs are scaled down to the most."""
        return min(self.max_megapixels, -(-pixels // self.megapixel_pixels))
