"""Tokens of a video, derived from its frame, its rate and its duration."""

from functools import cached_property

from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from gateway.pricing.quantity import QuantityRule
from gateway.pricing.rule import at_least_one


class VideoTokens(QuantityRule, frozen=True, kw_only=True, tag="video_tokens"):
    """The product of `pixels`, `frames_per_second` and `seconds`, over `divisor`.

    `pixels` and `seconds` name quantities of the same model, and so does `frames_per_second` where it is a text. A
    run may make `extra_frames` more than that, which are held and not estimated.
    """

    pixels: str = "pixels"
    seconds: str = "seconds"
    frames_per_second: int | str
    divisor: int = 1024
    extra_frames: int = 0

    def __post_init__(self) -> None:
        at_least_one("divisor", self.divisor)
        if isinstance(self.frames_per_second, int):
            at_least_one("frames_per_second", self.frames_per_second)
        if self.extra_frames < 0:
            raise ValueError(f"extra_frames must be at least 0, not {self.extra_frames}")

    @property
    def quantities(self) -> tuple[str, ...]:
        """What is multiplied."""
        rate = (self.frames_per_second,) if isinstance(self.frames_per_second, str) else ()
        return (self.pixels, self.seconds, *rate)

    def measure(self, inputs: Inputs, _name: str, /) -> Measure:
        """Multiply; whatever is uncertain in a factor is uncertain here."""
        frames = self._rate(inputs).times(inputs.measure(self.seconds))
        if self.extra_frames:
            extra = self.extra_frames * frames.per
            frames = Measure(frames.likely, frames.most + extra, frames.per, frames.assumptions).assuming(self._about)
        return inputs.measure(self.pixels).times(frames).over(self.divisor)

    def _rate(self, inputs: Inputs) -> Measure:
        if isinstance(self.frames_per_second, int):
            return Measure(self.frames_per_second, self.frames_per_second)
        return inputs.measure(self.frames_per_second)

    @cached_property
    def _about(self) -> str:
        return f"{self.frames_per_second} frames a second are estimated, and {self.extra_frames} more held"
