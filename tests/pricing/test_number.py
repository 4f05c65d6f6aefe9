"""Numbers and texts of a request, as upstream reads them."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pricing.number import MOST_NUMBER, read_number, read_text, show_number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        (5.0, 5),
        ("5", 5),
        (5.5, Fraction(11, 2)),
        ("5.50", Fraction(11, 2)),
        (0.1, Fraction(1, 10)),
        (5.1, Fraction(51, 10)),
        (1e-7, Fraction(1, 10**7)),
        (0, 0),
        (MOST_NUMBER, MOST_NUMBER),
    ],
)
def test_a_number_is_the_decimal_text_that_was_written(value: Any, number: Any) -> None:
    assert read_number(value) == number
    assert type(read_number(value)) is type(number)


NO_NUMBERS = (True, None, -1, -0.5, float("nan"), float("inf"), 1e300, MOST_NUMBER + 1, 10**4000, [], {})
NO_TEXTS = ("", " 5", "5 ", "-5", "+5", "5.", ".5", "5e0", "0x5", "1_0", "٥", "5s", "9" * 17)


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_TEXTS])
def test_what_is_no_such_number_is_none(value: Any) -> None:
    assert read_number(value) is None


@given(st.decimals(min_value=0, max_value=10**9, places=5))
def test_no_decimal_is_changed_by_having_been_a_float(written: Any) -> None:
    """JSON's numbers pass through a binary float; what was written comes out of it again."""
    assert read_number(float(str(written))) == Fraction(str(written)) == read_number(format(written, "f"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("6", "6"),
        (6, "6"),
        (6.0, "6"),
        (5.5, "5.5"),
        (-1, "-1"),
        (True, "true"),
        (False, "false"),
        ("False", "False"),
        (None, None),
        ([], None),
        ({}, None),
        (float("nan"), None),
        (10**4000, None),
    ],
)
def test_a_value_is_compared_as_the_text_that_upstream_makes_of_it(value: Any, text: str | None) -> None:
    assert read_text(value) == text


def test_a_fraction_is_shown_as_a_decimal_text() -> None:
    assert [show_number(each) for each in (5, Fraction(11, 2), Fraction(277, 1000), Fraction(1, 10**7))] == [
        "5",
        "5.5",
        "0.277",
        "0.0000001",
    ]
