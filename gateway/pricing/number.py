"""Numbers and texts of a request, read as upstream reads them, and never through binary fractions."""

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

#: Whole numbers are int; only what is not whole is a fraction, of the decimal text that was written.
Number: TypeAlias = int | Fraction

#: Beyond this, upstream's own numbers are no longer exact, so what it would bill is not known.
MOST_NUMBER = 2**53 - 1
_DECIMAL = re.compile(r"[0-9]{1,16}(\.[0-9]{1,16})?")


def read_number(value: Any) -> Number | None:
    """Read a JSON number from 0 on, or a text that says one ("5", "5.5"); None for anything else.

    A float counts as its shortest decimal text: that is what was written, unless it had more than 17 digits.
    """
    if type(value) is int:
        return value if 0 <= value <= MOST_NUMBER else None
    if type(value) is float:
        return whole(Fraction(repr(value))) if math.isfinite(value) and 0 <= value <= MOST_NUMBER else None
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return whole(Fraction(value))
    return None


def whole(number: Fraction) -> Number:
    """Give a fraction that is a whole number as one."""
    return number.numerator if number.denominator == 1 else number


def read_text(value: Any) -> str | None:
    """Write a value as upstream does where it compares texts: 6 and 6.0 are "6", true is "true".

    None for what has no such text: an absent value, an array, an object, a number that is too large to be exact.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is float and value.is_integer() and abs(value) <= MOST_NUMBER:
        return str(int(value))
    if type(value) is float and math.isfinite(value):
        return repr(value)
    return str(value) if type(value) is int and abs(value) <= MOST_NUMBER else None


def show_number(number: Number) -> str:
    """Write a number as decimal text, to 28 digits."""
    if isinstance(number, int):
        return str(number)
    return format(Decimal(number.numerator) / Decimal(number.denominator), "f")
