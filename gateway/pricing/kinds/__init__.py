"""The kinds of price rule: a closed set, each a file here, and those that are made of others in `composed`."""

from gateway.pricing.kinds.composed import PriceRule

__all__ = ["PriceRule"]
