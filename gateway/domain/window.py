"""Windows: when the minute, day or month of a time zone begins and ends, as instants; and windows that roll."""

import re
from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

MICROSECONDS = 1_000_000
#: Where the window "total" ends: never, as far as an integer that survives Lua can say.
FOREVER_US = 2**53 - 1
#: Into how many buckets the length of a rolling window is cut, or a few less.
BUCKETS = 60
#: Up to which length (minutes) a bucket is of whole seconds, minutes, quarters of an hour or days: the ledger keeps
#: old sums by those, so that a window can be added up from them long after.
GRIDS = ((60, 1), (719, 60), (40 * 1440, 900), (366 * 1440, 86400))
LONGEST_MINUTES = 366 * 1440
_LENGTH = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_MINUTES = MappingProxyType({"m": 1, "h": 60, "d": 1440})


class WindowName(StrEnum):
    """The calendar windows in which money and predictions are counted."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class MonthFrom:
    """A month that begins on another day than the first; a shorter month begins it on its last day."""

    day: int

    def __str__(self) -> str:
        return f"month-{self.day}"


@dataclass(frozen=True, slots=True)
class Rolling:
    """The last so many minutes at any moment, counted in buckets of about a sixtieth of them.

    A window is the bucket of now and as many before it as the length takes: what is admitted counts for the whole
    length, and for up to two buckets more. So no span of that length, wherever it begins, has more in it than the
    window had at its end.
    """

    minutes: int

    @property
    def bucket_us(self) -> int:
        """How long a bucket is: a sixtieth of the length, or the next longer one of the grid."""
        grid_s = next(grid_s for longest, grid_s in GRIDS if self.minutes <= longest)
        return -(-self.minutes * 60 // (BUCKETS * grid_s)) * grid_s * MICROSECONDS

    @property
    def buckets(self) -> int:
        """How many buckets a window has: that of now, and those before it."""
        return -(-self.minutes * 60 * MICROSECONDS // self.bucket_us) + 1

    def __str__(self) -> str:
        days, hours = self.minutes // 1440, self.minutes // 60
        if days > 1 and self.minutes == days * 1440:
            return f"rolling-{days}d"
        return f"rolling-{hours}h" if self.minutes == hours * 60 else f"rolling-{self.minutes}m"


#: What money and predictions are counted in; its text names it in counters, limits and answers.
Window = WindowName | MonthFrom | Rolling


def parse_window(text: str) -> Window:
    """Read a window, as its text says it. Raises ValueError."""
    name, _, more = text.partition("-")
    if name == "rolling":
        return parse_rolling(more)
    return MonthFrom(int(more)) if name == WindowName.MONTH and more else WindowName(text)


def parse_rolling(length: str) -> Rolling:
    """Read the length of a rolling window, such as "90m", "24h" or "7d". Raises ValueError."""
    match = _LENGTH.fullmatch(length)
    minutes = int(match[1]) * _MINUTES[match[2]] if match else 0
    if not 0 < minutes <= LONGEST_MINUTES:
        raise ValueError(
            f"{length!r} is not a length of at most 366 days; write minutes, hours or days: 90m, 24h, 7d"
        )
    return Rolling(minutes)


def in_words(window: Window) -> str:
    """Say in which span something is counted: "per day", or "in any 24h"."""
    return f"in any {str(window).partition('-')[2]}" if isinstance(window, Rolling) else f"per {window}"


class Bounds(NamedTuple):
    """One window's instants in microseconds since the epoch: start is inside, stop is not."""

    start_us: int
    stop_us: int


def bounds(window: Window, zone: ZoneInfo, at_us: int) -> Bounds:
    """Find the window of that kind, in that zone, which contains the instant (microseconds since the epoch).

    A rolling window is what an admission at that instant is counted with; it stops with the bucket of that instant.
    """
    if window is WindowName.TOTAL:
        return Bounds(0, FOREVER_US)
    if isinstance(window, Rolling):
        stop_us = (at_us // window.bucket_us + 1) * window.bucket_us
        return Bounds(stop_us - window.buckets * window.bucket_us, stop_us)
    at_s = at_us // MICROSECONDS
    if window is WindowName.MINUTE or window is WindowName.HOUR:
        start_s, stop_s = _clock_bounds(60 if window is WindowName.MINUTE else 3600, zone, at_s)
    else:
        first, following = _dates(window, datetime.fromtimestamp(at_s, zone).date())
        start_s, stop_s = _midnight_s(first, zone), _midnight_s(following, zone)
    return Bounds(start_s * MICROSECONDS, stop_s * MICROSECONDS)


def _clock_bounds(seconds: int, zone: ZoneInfo, at_s: int) -> tuple[int, int]:
    """Cut by the clock on the wall: in a zone of +05:30 an hour begins at half past, as UTC counts.

    An hour in which the clock is set by less than an hour ends there, and another begins.
    """

    def offset(second: int) -> int:
        return int((datetime.fromtimestamp(second, zone).utcoffset() or timedelta(0)).total_seconds())

    shift = offset(at_s)
    start_s = (at_s + shift) // seconds * seconds - shift
    stop_s = start_s + seconds
    if offset(start_s) != shift:
        start_s += bisect_left(range(start_s, at_s), True, key=lambda second: offset(second) == shift)
    if offset(stop_s - 1) != shift:
        stop_s = at_s + bisect_left(range(at_s, stop_s), True, key=lambda second: offset(second) != shift)
    return start_s, stop_s


def _dates(window: WindowName | MonthFrom, today: date) -> tuple[date, date]:
    """Give the first day of the window and the first day after it."""
    match window:
        case WindowName.DAY:
            return today, today + timedelta(days=1)
        case WindowName.WEEK:
            monday = today - timedelta(days=today.weekday())
            return monday, monday + timedelta(days=7)
        case WindowName.YEAR:
            return date(today.year, 1, 1), date(today.year + 1, 1, 1)
    begins = window.day if isinstance(window, MonthFrom) else 1
    first = _in_month(today, begins)
    if first > today:
        return _in_month(today.replace(day=1) - timedelta(days=1), begins), first
    return first, _in_month(today.replace(day=28) + timedelta(days=4), begins)


def _in_month(some: date, begins: int) -> date:
    """Give the day on which the month of a date begins its window."""
    return some.replace(day=min(begins, monthrange(some.year, some.month)[1]))


def _midnight_s(day: date, zone: ZoneInfo) -> int:
    """Give the instant at which a local day begins, in seconds since the epoch.

    Where midnight happens twice or not at all (clocks changed at 0:00), the later reading is the one after which
    the calendar shows the new day for good, so that windows neither overlap nor leave a gap.
    """
    naive = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (the zone is attached below, once per fold)
    readings = (naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return int(max(readings).timestamp())
