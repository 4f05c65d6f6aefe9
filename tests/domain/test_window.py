from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.window import WindowName, bounds

ZONES = sorted(available_timezones())
CALENDAR = [name for name in WindowName if name is not WindowName.TOTAL]


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def shown(name: WindowName, zone: str, at: str) -> tuple[str, str]:
    found = bounds(name, ZoneInfo(zone), us(at))
    start, stop = (datetime.fromtimestamp(t // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%MZ") for t in found)
    return start, stop


@given(
    st.sampled_from(CALENDAR),
    st.sampled_from(ZONES),
    st.integers(us("1990-01-01T00:00Z"), us("2060-01-01T00:00Z")),
)
def test_a_window_contains_its_instant_and_the_next_begins_where_it_stops(
    name: WindowName, zone: str, at: int
) -> None:
    here = bounds(name, ZoneInfo(zone), at)
    assert here.start_us <= at < here.stop_us
    if name not in (
        WindowName.MINUTE,
        WindowName.HOUR,
    ):  # these may be cut short where a zone shifts by half hours
        assert bounds(name, ZoneInfo(zone), here.stop_us).start_us == here.stop_us
        assert bounds(name, ZoneInfo(zone), here.start_us) == here


@pytest.mark.parametrize(
    ("name", "zone", "at", "start", "stop"),
    [
        (WindowName.DAY, "Europe/Berlin", "2026-03-29T12:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),
        (WindowName.DAY, "Europe/Berlin", "2026-10-25T12:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
        (WindowName.MONTH, "America/New_York", "2026-11-30T23:00Z", "2026-11-01T04:00Z", "2026-12-01T05:00Z"),
        (WindowName.WEEK, "UTC", "2026-11-22T14:00Z", "2026-11-16T00:00Z", "2026-11-23T00:00Z"),
        (WindowName.YEAR, "Asia/Tokyo", "2026-12-31T15:00Z", "2026-12-31T15:00Z", "2027-12-31T15:00Z"),
        (WindowName.HOUR, "Asia/Kolkata", "2026-11-22T14:00Z", "2026-11-22T13:30Z", "2026-11-22T14:30Z"),
        (WindowName.MONTH, "UTC", "2028-02-29T10:00Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
        (WindowName.DAY, "America/Havana", "2026-03-08T12:00Z", "2026-03-08T05:00Z", "2026-03-09T04:00Z"),
    ],
)
def test_windows_follow_the_clock_on_the_wall(name: WindowName, zone: str, at: str, start: str, stop: str) -> None:
    assert shown(name, zone, at) == (start, stop)


def test_the_total_window_never_ends() -> None:
    assert bounds(WindowName.TOTAL, ZoneInfo("UTC"), us("2026-11-22T00:00Z")) == (0, 2**53 - 1)
