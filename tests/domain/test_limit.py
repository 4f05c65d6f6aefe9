from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limit import Limit, LimitKind, Mode


def thresholds(amount: int, *shares: float) -> list[tuple[str, int]]:
    limit = Limit("tenant/t", "daily", LimitKind.BUDGET, Mode.ENFORCE, amount, alert_at=shares)
    return [tuple(each) for each in limit.thresholds]


def test_a_threshold_is_named_as_it_was_written_and_rounded_up() -> None:
    assert thresholds(10, 0.5, 0.81, 1.0) == [("0.5", 5), ("0.81", 9), ("1.0", 10)]
    assert thresholds(2**53 - 1, 0.1, 1e-5) == [("0.1", 900719925474100), ("1e-05", 90071992548)]


def test_a_limit_of_nothing_is_reached_by_the_first_use() -> None:
    assert thresholds(0, 0.5, 1.0) == [("0.5", 1), ("1.0", 1)]


@given(st.integers(1, 2**53 - 1), st.integers(1, 10**6))
def test_no_threshold_is_off_by_a_unit_as_a_double_would_be(amount: int, millionths: int) -> None:
    share = float(Decimal(millionths) / 10**6)
    ((_, found),) = thresholds(amount, share)
    assert (found - 1) * 10**6 < amount * millionths <= found * 10**6
