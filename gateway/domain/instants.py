"""Times of the ledger as clients read them."""

from datetime import UTC, datetime

from gateway.domain.window import MICROSECONDS


def instant(us: int | None) -> str | None:
    """Write microseconds since the epoch as RFC 3339 in UTC, to the millisecond; None stays None."""
    if us is None:
        return None
    moment = datetime.fromtimestamp(us // MICROSECONDS, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{us // 1000 % 1000:03}Z"
