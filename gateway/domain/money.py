"""Money as integers of 1e-8 US dollars, the unit in which upstream bills (micro-cents)."""

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

UNITS_PER_USD = 10**8
#: Lua numbers are doubles: above this an integer is no longer exact, so no amount, limit or sum may pass it.
MAX_UNITS = 2**53 - 1

_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,8})?")


class MoneyError(ValueError):
    """Says why a text is not an amount of US dollars."""


def parse_usd(text: str) -> int:
    """Read a decimal string of US dollars, such as "0.014", exactly.

    Returns units of 1e-8 USD. Raises MoneyError for a sign, an exponent, more than eight decimals (nothing is
    rounded in silence) or more than MAX_UNITS.
    """
    if not _AMOUNT.fullmatch(text):
        raise MoneyError(
            f'not an amount of US dollars: {text!r}; write digits with at most 8 decimals, such as "0.014"'
        )
    units = int(Decimal(text) * UNITS_PER_USD)
    if units > MAX_UNITS:
        raise MoneyError(f"too large: {text!r}; the most is {format_usd(MAX_UNITS)}")
    return units


def ceil_units(usd: Decimal) -> int:
    """Convert dollars to units of 1e-8 USD, rounding up, so that a cost is never recorded below its true value."""
    return int((usd * UNITS_PER_USD).to_integral_value(ROUND_CEILING))


@lru_cache(maxsize=256)  # the same prices again and again
def format_usd(units: int) -> str:
    """Write units of 1e-8 USD as a decimal string of dollars with two to eight decimals and no exponent."""
    sign = "-" if units < 0 else ""
    whole, fraction = divmod(abs(units), UNITS_PER_USD)
    return f"{sign}{whole}.{f'{fraction:08}'.rstrip('0').ljust(2, '0')}"
