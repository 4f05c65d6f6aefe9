"""Rules that hold wherever they apply: what an id may look like, which numbers are finite, which zones exist."""

import math
import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from gateway.domain.money import MoneyError, parse_usd
from gateway.policy.problems import Spot, suggestion

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def is_id(text: str) -> bool:
    """Tell whether a text may be an id; ids become labels of metrics and parts of the ledger's keys."""
    return bool(_ID.fullmatch(text))


def check_id(text: str, spot: Spot) -> None:
    """Report an id that would not be safe as a label or key."""
    if not is_id(text):
        spot.report(
            f"{text!r} is not an id; use at most 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
            "id",
        )


def is_variable(text: str) -> bool:
    """Tell whether a text may name an environment variable."""
    return bool(_VARIABLE.fullmatch(text))


def check_finite(value: object, field: str, spot: Spot) -> None:
    """Report infinity and not-a-number, which TOML can say and with which no comparison means anything."""
    if isinstance(value, float) and not math.isfinite(value):
        spot.report(f"{value} is not a number to compare with", field)


def read_money(text: str, field: str, spot: Spot) -> int | None:
    """Read US dollars as units of 1e-8 USD; None, and a report, where they are none."""
    try:
        return parse_usd(text)
    except MoneyError as error:
        spot.report(str(error), field)
        return None


def read_zone(name: str, spot: Spot) -> ZoneInfo:
    """Find a time zone by its IANA name; UTC, and a report, where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, or a folder of zones such as "Europe"
        near = suggestion(name, available_timezones())
        spot.report(f"{name!r} is not a time zone; use an IANA name such as 'Europe/Berlin'{near}", "timezone")
        return ZoneInfo("UTC")


def read_instant(value: object, field: str, spot: Spot) -> int | None:
    """Read a moment, or a day as the beginning of it in UTC, as microseconds since the epoch; None for None.

    None, and a report, also for what is neither.
    """
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    if not isinstance(value, datetime):
        spot.report(f"{value!r} is not a date; write it without quotes, such as 2027-02-01T00:00:00Z", field)
        return None
    if value.tzinfo is None:
        spot.report(f"{value.isoformat()} is in no time zone; add Z for UTC: {value.isoformat()}Z", field)
        return None
    return (value - _EPOCH) // timedelta(microseconds=1)
