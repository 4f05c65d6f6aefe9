"""Rolling counters as the store keeps them: their buckets, read back."""

import re
from collections.abc import Iterable, Mapping

from gateway.domain.window import MICROSECONDS
from gateway.ledger.postings import Counted

_PART = re.compile(rb"([chn]):([0-9]+)")
_PLACES = (b"c", b"h", b"n")


def read_buckets(fields: Mapping[bytes, bytes]) -> dict[int, Counted]:
    """Give a rolling counter's buckets from the fields of its key, by their starts in microseconds."""
    found: dict[int, list[int]] = {}
    for name, value in fields.items():
        if match := _PART.fullmatch(name):
            found.setdefault(int(match[2]) * MICROSECONDS, [0, 0, 0])[_PLACES.index(match[1])] = int(value)
    return {start_us: Counted(*parts) for start_us, parts in sorted(found.items())}


def add_up(parts: Iterable[Counted]) -> Counted:
    """Add up what was counted in several places."""
    columns = list(zip(*parts, strict=True))
    return Counted(*map(sum, columns)) if columns else Counted(0, 0, 0)
