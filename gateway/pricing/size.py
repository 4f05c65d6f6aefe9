"""Sizes of images: from what a request says to pixels, where it says it."""

import re
from types import MappingProxyType
from typing import NamedTuple

from gateway.pricing.refusal import invalid, shown

#: Width times height of upstream's names for sizes.
PRESET_PIXELS = MappingProxyType(
    {
        "square_hd": 1024 * 1024,
        "square": 512 * 512,
        "portrait_4_3": 768 * 1024,
        "portrait_16_9": 576 * 1024,
        "landscape_4_3": 1024 * 768,
        "landscape_16_9": 1024 * 576,
    }
)
_PAIR = re.compile(r"\s*([0-9]{1,9})\s*[xX×*]\s*([0-9]{1,9})\s*")
_LINES = re.compile(r"([1-9][0-9]{1,3})[pP]")
_THOUSANDS = re.compile(r"([1-9][0-9]?)[kK]")
_RATIO = re.compile(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})")
#: Digits of any script: nobody but us may read such as a number, so they state no size, and may hide a large one.
_NUMBER = re.compile(r"\d+")
#: Two sides with no more digits than this between them make less than a megapixel, below any upper bound.
_HARMLESS_DIGITS = 6
_MOST_SIDE = 10**9
#: A longer text is no size; reading a megabyte of it would stop the event loop for tens of milliseconds.
_MOST_CHARACTERS = 64


def size_pixels(value: object, parameter: str) -> int | None:
    """Give the pixels of a size: a preset, "WxH", {"width", "height"} or a resolution such as "1080p" or "2K".

    None for a name that says none ("auto"). Raises Refused for a size that is stated but cannot be read: it may be
    larger than any upper bound, so to hold the upper bound for it could be too little.
    """
    if isinstance(value, str):
        return PRESET_PIXELS.get(value) or _text_pixels(value, parameter)
    if isinstance(value, dict):
        return _area(value.get("width"), value.get("height"), value, parameter)
    raise _unreadable(value, parameter)


class Resolution(NamedTuple):
    """What a resolution names: the short side of a frame, its number of pixels, and the ratio it has of itself."""

    side: int
    pixels: int
    ratio: tuple[int, int]

    def at(self, ratio: tuple[int, int]) -> int:
        """Give the pixels of a frame of that ratio with this short side."""
        return self.side * -(-self.side * max(ratio) // min(ratio))


def read_resolution(text: str) -> Resolution | None:
    """Read a resolution: "1080p" is 1920 × 1080, "2K" is 2048 × 2048, or "1024x768"; None for other texts."""
    if len(text) > _MOST_CHARACTERS:
        return None
    if lines := _LINES.fullmatch(text):
        side = int(lines[1])
        return Resolution(side, -(-side * side * 16 // 9), (16, 9))
    if thousands := _THOUSANDS.fullmatch(text):
        side = int(thousands[1]) * 1024
        return Resolution(side, side * side, (1, 1))
    if pair := _PAIR.fullmatch(text):
        sides = int(pair[1]), int(pair[2])
        return Resolution(min(sides), sides[0] * sides[1], sides) if all(sides) else None
    return None


def read_ratio(text: str) -> tuple[int, int] | None:
    """Read an aspect ratio, such as "16:9"; None for other texts, such as "auto"."""
    ratio = _RATIO.fullmatch(text)
    return (int(ratio[1]), int(ratio[2])) if ratio else None


def show_pixels(pixels: int) -> str:
    """Write pixels for a person: 4,000,000 are "4 megapixels"."""
    millions, rest = divmod(pixels, 1_000_000)
    return f"{millions}{f'.{rest:06}'.rstrip('0') if rest else ''} megapixels"


def _text_pixels(text: str, parameter: str) -> int | None:
    """Read "1024x768" or "2K"; a text that could mean two large sides in another way is refused, others are names."""
    if len(text) > _MOST_CHARACTERS:
        raise _unreadable(text, parameter)
    if text.isalpha():
        return None
    if pair := _PAIR.fullmatch(text):
        return _area(int(pair[1]), int(pair[2]), text, parameter)
    if resolution := read_resolution(text):
        return resolution.at(resolution.ratio)
    numbers = _NUMBER.findall(text)
    if len(numbers) > 1 and sum(map(len, numbers)) > _HARMLESS_DIGITS:
        raise _unreadable(text, parameter)
    return None


def _area(width: object, height: object, value: object, parameter: str) -> int:
    """Multiply two sides that are positive integers."""
    if type(width) is not int or type(height) is not int:
        raise _unreadable(value, parameter)
    if not (0 < width <= _MOST_SIDE and 0 < height <= _MOST_SIDE):
        raise _unreadable(value, parameter)
    return width * height


def _unreadable(value: object, parameter: str) -> Exception:
    return invalid(
        parameter,
        f'{parameter} sets the price: it must be a size such as "landscape_4_3", "1024x768" or '
        f"an object of positive integers width and height, not {shown(value)}",
    )
