from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.money import MAX_UNITS, MoneyError, ceil_units, format_usd, parse_usd


@given(st.integers(0, MAX_UNITS))
def test_every_amount_survives_being_written_and_read(units: int) -> None:
    assert parse_usd(format_usd(units)) == units


@pytest.mark.parametrize(
    ("text", "units"),
    [("0.014", 1_400_000), ("2000.00", 200_000_000_000), ("0.00000001", 1), ("7", 700_000_000)],
)
def test_an_amount_is_read_exactly(text: str, units: int) -> None:
    assert parse_usd(text) == units


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "0.123456789", "1,5", " 1", "NaN", "99999999999", "99999999.9", "٣"]
)
def test_a_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        parse_usd(text)


def test_a_cost_finer_than_the_unit_is_rounded_up() -> None:
    assert ceil_units(Decimal("0.000000011")) == 2
    assert ceil_units(Decimal("0.01400000")) == 1_400_000


@pytest.mark.parametrize(
    ("units", "text"), [(0, "0.00"), (1_400_000, "0.014"), (500_000_000, "5.00"), (-1, "-0.00000001")]
)
def test_money_is_shown_without_exponent(units: int, text: str) -> None:
    assert format_usd(units) == text
