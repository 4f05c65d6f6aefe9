"""The kinds of price rule; a new one is one file here and one more member of the union."""

from typing import TypeAlias

from gateway.pricing.kinds.fixed import Fixed
from gateway.pricing.kinds.megapixel import Megapixel

PriceRule: TypeAlias = Fixed | Megapixel
