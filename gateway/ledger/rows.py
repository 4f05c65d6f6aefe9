"""Rows: counters, each beside what the checkpoint has of its window, read in small steps of one moment each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.domain.window import MICROSECONDS, MonthFrom, Rolling, Window, WindowName
from gateway.ledger.fold import Place, parse_place
from gateway.ledger.postings import Counted, account_prefix
from gateway.ledger.rolling import read_buckets
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store

#: Counters, and cells of the checkpoint, that are read in one step of the store, some milliseconds long.
MOST_COUNTERS, MOST_CELLS = 200, 4000
#: How many cells of the checkpoint a window can be composed of.
_CELLS: Mapping[WindowName, int] = {
    WindowName.TOTAL: 1,
    WindowName.MINUTE: 1,
    WindowName.HOUR: 4,
    WindowName.DAY: 96,
    WindowName.WEEK: 200,
    WindowName.MONTH: 224,
    WindowName.YEAR: 560,
}


class Moment(NamedTuple):
    """The store's time, the journal's sequence and the checkpoint's position when rows were read."""

    now_us: int
    sequence: int
    rolled: int


class Part(NamedTuple):
    """What the checkpoint has of a place, and the newest entry that a complete counter must have seen of it."""

    counted: Counted
    last: int


class Row(NamedTuple):
    """A counter as it stands: its sums from `place` on, and of one that rolls each bucket's own; the newest entry
    that it has seen; and the checkpoint's parts of its window, place by place."""

    place: Place
    counted: Counted
    seen: int
    buckets: Mapping[int, Counted]
    checkpoint: Mapping[Place, Part]


class Rows:
    """Reads one account's counters. Every method may raise LedgerUnavailable."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._script = scripts["audit"]
        self._prefix = account_prefix(account)

    async def read(self, places: Sequence[Place]) -> tuple[Moment, list[Row]]:
        """Read counters that fit into one step: see `batches`. One that rolls is read as it stands where its place
        begins at 0, else in the window that begins there."""
        asked = [
            {
                "key": place.counter.key(self._prefix, place.start_us),
                "scope": place.counter.scope,
                "start": place.start_us,
                "length": place.length_us,
                "width": place.counter.bucket_us,
            }
            for place in places
        ]
        moment, found = await self._run({"counters": asked})
        return moment, [_row(place, row) for place, row in zip(places, found, strict=True)]

    async def live(self) -> tuple[Moment, set[str]]:
        """Read which reservations have begun and not ended."""
        moment, (ids,) = await self._run({"counters": [], "live": True})
        return moment, {id_.decode() for id_ in ids}

    async def all_places(self) -> list[Place]:
        """Find every counter that the store has, in an order that does not change."""
        keys: set[bytes] = set()
        cursor = 0
        while True:
            scan = ("SCAN", cursor, "MATCH", f"{self._prefix}:c:*", "COUNT", 1000)
            cursor, page = await self._store.near(self._prefix, *scan)
            keys.update(page)
            if int(cursor) == 0:
                return [parse_place(key.decode()) for key in sorted(keys)]

    async def _run(self, request: object) -> tuple[Moment, list[Any]]:
        _, now_us, sequence, rolled, *found = await self._store.run(self._script, self._prefix, request)
        return Moment(int(now_us), int(sequence), int(rolled)), found


def batches(places: Sequence[Place]) -> Iterator[list[Place]]:
    """Cut counters into what one step of the store may take; one batch at least, which may be empty."""
    batch, cells = list[Place](), 0
    for place in places:
        cost = _cost(place.counter.window)
        if batch and (len(batch) == MOST_COUNTERS or cells + cost > MOST_CELLS):
            yield batch
            batch, cells = [], 0
        batch.append(place)
        cells += cost
    yield batch


def _cost(window: Window) -> int:
    if isinstance(window, Rolling):
        return MOST_CELLS
    return _CELLS[WindowName.MONTH if isinstance(window, MonthFrom) else window]


def _row(place: Place, row: Sequence[Any]) -> Row:
    *counted, seen, _, flat, parts = row
    checkpoint = {
        Place(place.counter, int(start) * MICROSECONDS): Part(Counted(charged, held, predictions), int(last))
        for start, (charged, held, predictions, last) in parts
    }
    first = next(iter(checkpoint))
    buckets = read_buckets(dict(zip(flat[::2], flat[1::2], strict=True)))
    return Row(first, Counted(*counted), int(seen), buckets, checkpoint)
