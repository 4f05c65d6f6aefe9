"""What runs cost here. Written apart from the gateway's own pricing, on purpose.

The gateway prices a request before it runs; here the run is over, and how long it was or how much it wrote is known.
"""

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

MEGAPIXEL = 1_000_000
SIZES = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
#: The frames that the maker of Seedance lists, by resolution and aspect ratio.
SEEDANCE_FRAMES = {
    "480p": {
        "21:9": (960, 416),
        "16:9": (864, 480),
        "4:3": (736, 544),
        "1:1": (640, 640),
        "3:4": (544, 736),
        "9:16": (480, 864),
    },
    "720p": {
        "21:9": (1504, 640),
        "16:9": (1248, 704),
        "4:3": (1120, 832),
        "1:1": (960, 960),
        "3:4": (832, 1120),
        "9:16": (704, 1248),
    },
    "1080p": {
        "21:9": (2176, 928),
        "16:9": (1920, 1088),
        "4:3": (1664, 1248),
        "1:1": (1440, 1440),
        "3:4": (1248, 1664),
        "9:16": (1088, 1920),
    },
}
FRAMES_PER_SECOND = 24
MILLION = Decimal(1_000_000)


def per_megapixel(first: str, extra: str, pixels: int, images: int) -> Decimal:
    """The first begun megapixel of each image at one price, each further one at another."""
    return (Decimal(first) + Decimal(extra) * (megapixels(pixels) - 1)) * images


def megapixels(pixels: int) -> int:
    """Begun megapixels, at least one."""
    return max(1, -(-pixels // MEGAPIXEL))


def beyond(base: str, included: int, extra: str, amount: Decimal) -> Decimal:
    """A base that covers so much, and an extra for each further one."""
    return Decimal(base) + max(Decimal(0), amount - included) * Decimal(extra)


def tokens(number: Decimal | int, per_million: str) -> Decimal:
    """So many tokens at a price for a million."""
    return number * Decimal(per_million) / MILLION


def seedance_tokens(resolution: str, aspect_ratio: str, seconds: int) -> Decimal:
    """What a video of the maker's own frames comes to: 24 a second, and the last one."""
    width, height = SEEDANCE_FRAMES[resolution][aspect_ratio]
    return Decimal(width * height * (FRAMES_PER_SECOND * seconds + 1)) / 1024


def veo(seconds: int, resolution: str, *, audio: bool) -> Decimal:
    """Two rates, with audio and without, and two more at 4k."""
    rates = ("0.40", "0.60") if resolution == "4k" else ("0.20", "0.40")
    return seconds * Decimal(rates[audio])


def metered(wall_seconds: Decimal, gigabytes: Decimal) -> Decimal:
    """The formula of the Video API: whole seconds from 5 to 3600, and what is delivered beyond 0.2 GB."""
    seconds = min(max(wall_seconds.to_integral_value(ROUND_CEILING), Decimal(5)), Decimal(3600))
    delivered = max(gigabytes - Decimal("0.2"), Decimal(0))
    cost = seconds * Decimal("0.0015") + delivered * Decimal("0.30")
    return cost.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def gpt_image_tokens(axis: int, width: int, height: int) -> int:
    """The maker's calculator: `axis` is 16, 48 or 96 by quality."""
    longer, shorter = max(width, height), min(width, height)
    short_axis = (2 * axis * shorter + longer) // (2 * longer)
    return -(-axis * short_axis * (2_000_000 + width * height) // 4_000_000)


def utf16_units(text: str) -> int:
    """How long a text is to a program in JavaScript, as one guess of what a character is."""
    return len(text.encode("utf-16-le")) // 2
