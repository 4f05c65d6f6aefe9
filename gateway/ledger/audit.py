"""The audit: is every counter what the journal says? It runs beside a gateway that goes on."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.domain.window import MICROSECONDS
from gateway.ledger.fold import Fold, Place, parse_place
from gateway.ledger.journal import Entry, read_journal
from gateway.ledger.postings import Counted, account_prefix
from gateway.ledger.rolling import add_up, read_buckets
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store

#: Counters that are read in one step of the store.
BATCH = 200


@dataclass(slots=True)
class Report:
    """What an audit found; `faults` is empty where the ledger is right."""

    entries: int = 0
    counters: int = 0
    live: int = 0
    faults: list[str] = field(default_factory=list)


class Standing(NamedTuple):
    """A counter as it stands: its sums from `place` on, and of one that rolls each bucket's own.

    `seen` is the number, in its scope, of the last entry that it has seen.
    """

    place: Place
    counted: Counted
    seen: int
    buckets: Mapping[int, Counted]


class Auditor:
    """Recomputes one account's counters from its journal. Every method may raise LedgerUnavailable."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._scripts = scripts
        self._account = account
        self._prefix = account_prefix(account)

    async def verify(self) -> Report:
        """Compare every counter, at a moment of the journal, with the fold of the journal up to that moment."""
        places = await self._places()
        fold, report = await self._new_fold(places), Report(counters=len(places))
        for first in range(0, len(places), BATCH) or (0,):
            batch = places[first : first + BATCH]
            sequence, standings = await self._read(batch)
            await self._advance(fold, sequence)
            report.faults += [fault for each in standings for fault in _differences(fold, each)]
        report.faults += fold.faults + await self._lost_reservations(fold)
        report.entries, report.live = fold.sequence, len(fold.live)
        return report

    async def rebuild(self) -> Report:
        """Write every counter anew from the journal; no gateway may be admitting meanwhile.

        Raises LedgerUnavailable where one does: then nothing, or only some counters, were written, all of them right.
        """
        places = await self._places()
        fold, report = await self._new_fold(places), Report(counters=len(places))
        sequence, _ = await self._read([])
        await self._advance(fold, sequence)
        for first in range(0, len(places), BATCH):
            _, standings = await self._read(places[first : first + BATCH])
            rows = [_row(self._prefix, fold, each.place) for each in standings]
            request = {"sequence": sequence, "counters": rows}
            what, _ = await self._store.run(self._scripts["restore"], self._prefix, request)
            if what != b"done":
                raise LedgerUnavailable("the journal moved on; stop every gateway on this store, and rebuild again")
        report.entries, report.live, report.faults = fold.sequence, len(fold.live), fold.faults
        return report

    async def _places(self) -> list[Place]:
        """Find every counter that the store has, in an order that does not change."""
        keys: set[bytes] = set()
        cursor = 0
        while True:
            scan = ("SCAN", cursor, "MATCH", f"{self._prefix}:c:*", "COUNT", 1000)
            cursor, page = await self._store.near(self._prefix, *scan)
            keys.update(page)
            if int(cursor) == 0:
                return [parse_place(key.decode()) for key in sorted(keys)]

    async def _new_fold(self, places: Sequence[Place]) -> Fold:
        reply = await self._store.read("HGETALL", f"{self._prefix}:postings")
        postings = {id_.decode(): text.decode() for id_, text in reply.items()}
        return Fold(postings, [place.counter for place in places])

    async def _advance(self, fold: Fold, sequence: int) -> None:
        """Fold up to a sequence number and no further."""
        if fold.sequence >= sequence:
            return
        entries: AsyncIterator[Entry] = read_journal(self._store, self._account, fold.sequence)
        async for entry in entries:
            fold.add(entry)
            if fold.sequence >= sequence:
                return
        fold.faults.append(f"the journal ends at {fold.sequence}, but {sequence} entries were written")

    async def _read(self, places: Sequence[Place]) -> tuple[int, list[Standing]]:
        """Read counters, and the sequence at that moment."""
        request = {"counters": [_key(self._prefix, place) for place in places]}
        _, _, sequence, *rows = await self._store.run(self._scripts["audit"], self._prefix, request)
        return int(sequence), [_standing(place, row) for place, row in zip(places, rows, strict=True)]

    async def _lost_reservations(self, fold: Fold) -> list[str]:
        """Compare the live reservations with those that the journal has not ended, unless it has moved on."""
        ids = await self._store.read("ZRANGE", f"{self._prefix}:live", 0, -1)
        sequence, _ = await self._read([])
        if sequence != fold.sequence:
            return []
        live = {id_.decode() for id_ in ids}
        return [f"{id_} is live in one of store and journal only" for id_ in sorted(live ^ fold.live)]


def _standing(place: Place, row: Sequence[Any]) -> Standing:
    charged, held, predictions, seen, from_s, flat = row
    if from_s:
        place = Place(place.counter, from_s * MICROSECONDS)
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return Standing(place, Counted(charged, held, predictions), seen, read_buckets(fields))


def _differences(fold: Fold, standing: Standing) -> Iterator[str]:
    """Compare; a counter that is behind the last entry in its window is brought up before it is used again."""
    counter, parts = standing.place.counter, list(standing.place.window())
    if standing.seen < max(fold.number_of(part) for part in parts):
        return
    expected = add_up(fold.sum_of(part) for part in parts)
    if standing.counted != expected:
        found = f"counted {tuple(standing.counted)}, the journal says {tuple(expected)}"
        yield f"{counter} from {standing.place.start_us}: {found}"
    for part in parts if counter.bucket_us else ():
        counted = standing.buckets.get(part.start_us, Counted(0, 0, 0))
        if counted != (said := fold.sum_of(part)):
            yield f"{counter}, bucket {part.start_us}: counted {tuple(counted)}, the journal says {tuple(said)}"


def _row(prefix: str, fold: Fold, place: Place) -> tuple[str, Counted, list[tuple[int, Counted]], int | bool]:
    """Give a counter as the journal says it, as restore takes it."""
    parts = [(part.start_us // MICROSECONDS, fold.sum_of(part)) for part in place.window()]
    sums = add_up(counted for _, counted in parts)
    if not place.counter.bucket_us:
        return _key(prefix, place), sums, [], False
    return _key(prefix, place), sums, [part for part in parts if any(part[1])], place.start_us // MICROSECONDS


def _key(prefix: str, place: Place) -> str:
    return place.counter.key(prefix, place.start_us)
