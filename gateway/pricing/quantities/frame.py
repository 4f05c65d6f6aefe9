"""The pixels of one frame that an aspect ratio and a resolution name together."""

import msgspec

from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from gateway.pricing.quantity import QuantityRule
from gateway.pricing.refusal import shown
from gateway.pricing.rule import at_least_one
from gateway.pricing.size import Resolution, read_ratio, read_resolution, show_pixels


class Frame(QuantityRule, frozen=True, kw_only=True, tag="frame"):
    """A frame such as "16:9" at "1080p"; what names no frame is held at `max_pixels`.

    A resolution gives the short side ("1080p" at "1:1" is 1080 × 1080), or with `keeps_area` the number of pixels
    whatever the ratio, as some makers have it. `sides` names resolutions that mean something else here, as "WxH".
    Encoders round sides to what suits them: `margin_percent` of the pixels are held beyond what is estimated.
    """

    resolution: str = "resolution"
    aspect_ratio: str = "aspect_ratio"
    max_pixels: int
    keeps_area: bool = False
    sides: dict[str, str] = msgspec.field(default_factory=dict)
    margin_percent: int = 0

    def __post_init__(self) -> None:
        at_least_one("max_pixels", self.max_pixels)
        if self.margin_percent < 0:
            raise ValueError(f"margin_percent must be at least 0, not {self.margin_percent}")
        for name, sides in self.sides.items():
            if read_resolution(sides) is None:
                raise ValueError(f'sides of {name!r} must be such as "3840x2160", not {sides!r}')

    @property
    def parameters(self) -> tuple[str, ...]:
        """The resolution and the aspect ratio."""
        return (self.resolution, self.aspect_ratio)

    def measure(self, inputs: Inputs, _name: str, /) -> Measure:
        """Total for any value: what cannot be read is the most that there is."""
        resolution = self._resolution(inputs.text(self.resolution) or "")
        ratio = read_ratio(inputs.text(self.aspect_ratio) or "")
        if resolution is None or ratio is None:
            return self._unknown(inputs)
        likely = resolution.pixels if self.keeps_area else resolution.at(ratio)
        if not self.margin_percent:
            return Measure.exactly(likely)
        most = -(-likely * (100 + self.margin_percent) // 100)
        text = (
            f"a frame is estimated at {show_pixels(likely)}, held at {show_pixels(most)} since makers round its sides"
        )
        return Measure.between(likely, most, text)

    def _resolution(self, text: str) -> Resolution | None:
        return read_resolution(self.sides.get(text, text))

    def _unknown(self, inputs: Inputs) -> Measure:
        names = " and ".join(f"{name} {shown(inputs.value(name))}" for name in self.parameters)
        most = self.max_pixels
        text = f"{names} state no size: estimated and held at {show_pixels(most)}, the most it can be"
        return Measure.between(most, most, text)
