from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.window import (
    BUCKETS,
    MonthFrom,
    Rolling,
    Window,
    WindowName,
    bounds,
    parse_rolling,
    parse_window,
)

ZONES = sorted(available_timezones())
ROLLING = [parse_rolling(length) for length in ("1m", "90m", "24h", "36h", "7d", "366d")]
CALENDAR: list[Window] = [name for name in WindowName if name is not WindowName.TOTAL]
CALENDAR += map(MonthFrom, range(2, 32))
WINDOWS = [*CALENDAR, WindowName.TOTAL, *ROLLING]
TWO, FIFTEEN, LAST = MonthFrom(2), MonthFrom(15), MonthFrom(31)


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def shown(name: Window, zone: str, at: str) -> tuple[str, str]:
    found = bounds(name, ZoneInfo(zone), us(at))
    start, stop = (datetime.fromtimestamp(t // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%MZ") for t in found)
    return start, stop


@given(
    st.sampled_from(CALENDAR),
    st.sampled_from(ZONES),
    st.integers(us("1990-01-01T00:00Z"), us("2060-01-01T00:00Z")),
)
def test_a_window_contains_its_instant_and_the_next_begins_where_it_stops(name: Window, zone: str, at: int) -> None:
    here = bounds(name, ZoneInfo(zone), at)
    assert here.start_us <= at < here.stop_us
    assert bounds(name, ZoneInfo(zone), here.stop_us).start_us == here.stop_us
    for inside in (here.start_us, here.stop_us - 1):
        assert bounds(name, ZoneInfo(zone), inside) == here


@given(st.sampled_from(WINDOWS))
def test_a_window_is_read_as_it_is_written(window: Window) -> None:
    assert parse_window(str(window)) == window


@given(st.sampled_from(ROLLING), st.integers(us("1990-01-01T00:00Z"), us("2060-01-01T00:00Z")))
def test_a_rolling_window_has_the_length_before_an_instant_and_less_than_two_buckets_more(
    window: Rolling, at: int
) -> None:
    start, stop = bounds(window, ZoneInfo("UTC"), at)
    length = window.minutes * 60_000_000
    assert length <= window.bucket_us * (window.buckets - 1) < length + window.bucket_us
    assert window.buckets <= BUCKETS + 1
    assert length <= at - start < length + 2 * window.bucket_us
    assert at < stop <= at + window.bucket_us
    assert start % window.bucket_us == stop % window.bucket_us == 0


@pytest.mark.parametrize(
    ("length", "bucket_s", "buckets"),
    [
        *(("1m", 1, 61), ("1h", 60, 61), ("90m", 120, 46), ("719m", 720, 61), ("12h", 900, 49), ("24h", 1800, 49)),
        *(("36h", 2700, 49), ("2d", 3600, 49), ("7d", 10800, 57), ("8d", 11700, 61), ("14d", 20700, 60)),
        *(("30d", 43200, 61), ("40d", 57600, 61), ("45d", 86400, 46), ("366d", 7 * 86400, 54)),
    ],
)
def test_a_bucket_is_a_sixtieth_of_the_length_or_a_little_more(length: str, bucket_s: int, buckets: int) -> None:
    window = parse_rolling(length)
    assert (window.bucket_us, window.buckets) == (bucket_s * 1_000_000, buckets)


@pytest.mark.parametrize(
    ("length", "text"), [("60m", "1h"), ("1d", "24h"), ("48h", "2d"), ("1500m", "25h"), ("90m", "90m"), ("1m", "1m")]
)
def test_equal_lengths_are_one_window_however_they_are_written(length: str, text: str) -> None:
    assert str(parse_rolling(length)) == f"rolling-{text}"


@pytest.mark.parametrize("length", ["", "0m", "24", "1.5h", "-1h", "24H", "1w", "367d", "999999d", " 1h", "01h"])
def test_what_is_no_length_is_told(length: str) -> None:
    with pytest.raises(ValueError, match="is not a length of at most 366 days"):
        parse_rolling(length)


@pytest.mark.parametrize("text", ["", "months", "month-", "month-x", "day-2"])
def test_what_is_no_window_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid WindowName|invalid literal"):
        parse_window(text)


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
        # Years, and weeks of ISO 8601, which begin on Mondays and belong to two years.
        (WindowName.YEAR, "UTC", "2028-12-31T23:59Z", "2028-01-01T00:00Z", "2029-01-01T00:00Z"),
        (WindowName.WEEK, "UTC", "2027-01-03T23:59Z", "2026-12-28T00:00Z", "2027-01-04T00:00Z"),
        (WindowName.WEEK, "Europe/Berlin", "2026-10-25T12:00Z", "2026-10-18T22:00Z", "2026-10-25T23:00Z"),
        # Leap days and ends of months.
        (WindowName.DAY, "UTC", "2028-02-29T10:00Z", "2028-02-29T00:00Z", "2028-03-01T00:00Z"),
        (WindowName.MONTH, "UTC", "2100-02-28T10:00Z", "2100-02-01T00:00Z", "2100-03-01T00:00Z"),
        (FIFTEEN, "UTC", "2026-11-14T23:59Z", "2026-10-15T00:00Z", "2026-11-15T00:00Z"),
        (FIFTEEN, "UTC", "2026-11-15T00:00Z", "2026-11-15T00:00Z", "2026-12-15T00:00Z"),
        (FIFTEEN, "UTC", "2027-01-01T00:00Z", "2026-12-15T00:00Z", "2027-01-15T00:00Z"),
        (FIFTEEN, "Europe/Berlin", "2026-03-29T12:00Z", "2026-03-14T23:00Z", "2026-04-14T22:00Z"),
        (TWO, "UTC", "2026-03-01T12:00Z", "2026-02-02T00:00Z", "2026-03-02T00:00Z"),
        (LAST, "UTC", "2026-02-28T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"),
        (LAST, "UTC", "2028-02-28T23:59Z", "2028-01-31T00:00Z", "2028-02-29T00:00Z"),
        (LAST, "UTC", "2026-04-29T23:59Z", "2026-03-31T00:00Z", "2026-04-30T00:00Z"),
        (LAST, "UTC", "2026-12-30T12:00Z", "2026-11-30T00:00Z", "2026-12-31T00:00Z"),
        # Clocks that change by an hour: each of the two hours named 2:00 is one; where it is left out, there is none.
        (WindowName.HOUR, "Europe/Berlin", "2026-10-25T00:59Z", "2026-10-25T00:00Z", "2026-10-25T01:00Z"),
        (WindowName.HOUR, "Europe/Berlin", "2026-10-25T01:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z"),
        (WindowName.HOUR, "Europe/Berlin", "2026-03-29T01:30Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z"),
        # Clocks that change by half an hour: at 2:00 back to 1:30, and at 2:00 on to 2:30.
        (WindowName.HOUR, "Australia/Lord_Howe", "2026-04-04T14:59Z", "2026-04-04T14:00Z", "2026-04-04T15:00Z"),
        (WindowName.HOUR, "Australia/Lord_Howe", "2026-04-04T15:00Z", "2026-04-04T15:00Z", "2026-04-04T15:30Z"),
        (WindowName.HOUR, "Australia/Lord_Howe", "2026-10-03T15:30Z", "2026-10-03T15:30Z", "2026-10-03T16:00Z"),
        # A day that a zone left out, as Samoa did when it went to the other side of the date line.
        (WindowName.DAY, "Pacific/Apia", "2011-12-30T09:59Z", "2011-12-29T10:00Z", "2011-12-30T10:00Z"),
        (WindowName.DAY, "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"),
        (WindowName.DAY, "America/Havana", "2026-03-08T12:00Z", "2026-03-08T05:00Z", "2026-03-09T04:00Z"),
    ],
)
def test_windows_follow_the_clock_on_the_wall(name: Window, zone: str, at: str, start: str, stop: str) -> None:
    assert shown(name, zone, at) == (start, stop)


def test_the_total_window_never_ends() -> None:
    assert bounds(WindowName.TOTAL, ZoneInfo("UTC"), us("2026-11-22T00:00Z")) == (0, 2**53 - 1)
