"""The pixels of one image whose size a parameter states."""

from functools import cached_property

from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from gateway.pricing.quantity import QuantityRule
from gateway.pricing.refusal import shown
from gateway.pricing.rule import at_least_one
from gateway.pricing.size import show_pixels, size_pixels


class Size(QuantityRule, frozen=True, kw_only=True, tag="size"):
    """A preset, "WxH", {width, height} or a resolution; a size that is not stated ("auto") is held at `max_pixels`.

    With `follows_input` a size that is not stated is that of the largest image of `inputs_parameter`, where somebody
    has looked, scaled down to `max_pixels`. A request without a size is estimated by the schema's default and held at
    that of the image, since upstream says both.
    """

    parameter: str = "image_size"
    max_pixels: int
    follows_input: bool = False
    inputs_parameter: str = "image_urls"

    def __post_init__(self) -> None:
        at_least_one("max_pixels", self.max_pixels)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The one parameter, and that of the images where they count."""
        return (self.parameter, self.inputs_parameter) if self.follows_input else (self.parameter,)

    @property
    def lengths(self) -> tuple[str, ...]:
        """That of the images."""
        return self.images

    @property
    def images(self) -> tuple[str, ...]:
        """Those that may give the size."""
        return self.parameters[1:]

    def measure(self, inputs: Inputs, _name: str, /) -> Measure:
        """Raises Refused for a size that is stated but cannot be read."""
        value = inputs.input.get(self.parameter)
        if value is None:
            return self._absent(inputs)
        pixels = size_pixels(value, self.parameter)
        if pixels is None:
            return self._unstated(inputs, f"{self.parameter} {shown(value)} states no size")
        return Measure.exactly(pixels)

    def _absent(self, inputs: Inputs) -> Measure:
        default = inputs.default(self.parameter)
        pixels = None if default is None else size_pixels(default, self.parameter)
        if pixels is None:
            return self._unstated(inputs, f"{self.parameter} is not given")
        if not self.follows_input:
            return Measure.exactly(pixels)
        seen = self._seen(inputs)
        most = max(pixels, self.max_pixels if seen is None else seen)
        why = "the most it can be" if seen is None else "as large as the input image"
        text = f"{self.parameter} is not given: estimated as {shown(default)}, held at {show_pixels(most)}, {why}"
        return Measure.between(pixels, most, text)

    def _seen(self, inputs: Inputs) -> int | None:
        """Give the size of the largest input image, scaled down to the most; None where one is unknown."""
        seen = inputs.seen(self.inputs_parameter)
        known = [pixels for pixels in seen if pixels]
        if not known or len(known) < len(seen):
            return None
        return min(self.max_pixels, max(known))

    def _unstated(self, inputs: Inputs, reason: str) -> Measure:
        seen = self._seen(inputs) if self.follows_input else None
        if seen is not None:
            text = f"{reason}: taken as {show_pixels(seen)}, as large as the input image"
            return Measure(seen, seen, 1, (text,))
        text = f"{reason}: estimated and held at {self._most}, the most it can be"
        return Measure(self.max_pixels, self.max_pixels, 1, (text,))

    @cached_property
    def _most(self) -> str:
        return show_pixels(self.max_pixels)
