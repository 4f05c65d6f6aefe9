"""Calendar windows: when the minute, day or month of a time zone begins and ends, as instants."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

MICROSECONDS = 1_000_000
#: Where the window "total" ends: never, as far as an integer that survives Lua can say.
FOREVER_US = 2**53 - 1


class WindowName(StrEnum):
    """The calendar windows in which money and predictions are counted."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    TOTAL = "total"


class Bounds(NamedTuple):
    """One window's instants in microseconds since the epoch: start is inside, stop is not."""

    start_us: int
    stop_us: int


def bounds(name: WindowName, zone: ZoneInfo, at_us: int) -> Bounds:
    """Find the window of that name, in that zone, which contains the instant (microseconds since the epoch)."""
    if name is WindowName.TOTAL:
        return Bounds(0, FOREVER_US)
    if name in (WindowName.MINUTE, WindowName.HOUR):
        return _clock_bounds(60 if name is WindowName.MINUTE else 3600, zone, at_us)
    today = datetime.fromtimestamp(at_us // MICROSECONDS, zone).date()
    first, following = _dates(name, today)
    return Bounds(_midnight_us(first, zone), _midnight_us(following, zone))


def _clock_bounds(seconds: int, zone: ZoneInfo, at_us: int) -> Bounds:
    """Cut by the clock on the wall: in a zone of +05:30 an hour begins at half past, as UTC counts."""
    at_s = at_us // MICROSECONDS
    offset = datetime.fromtimestamp(at_s, zone).utcoffset() or timedelta(0)
    shift = int(offset.total_seconds())
    start_s = (at_s + shift) // seconds * seconds - shift
    return Bounds(start_s * MICROSECONDS, (start_s + seconds) * MICROSECONDS)


def _dates(name: WindowName, today: date) -> tuple[date, date]:
    """Give the first day of the window and the first day after it."""
    if name is WindowName.DAY:
        return today, today + timedelta(days=1)
    if name is WindowName.WEEK:
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=7)
    if name is WindowName.MONTH:
        first = today.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    return date(today.year, 1, 1), date(today.year + 1, 1, 1)


def _midnight_us(day: date, zone: ZoneInfo) -> int:
    """Give the instant at which a local day begins.

    Where midnight happens twice or not at all (clocks changed at 0:00), the later reading is the one after which
    the calendar shows the new day for good, so that windows neither overlap nor leave a gap.
    """
    naive = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (the zone is attached below, once per fold)
    readings = (naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return int(max(readings).timestamp()) * MICROSECONDS
