"""The audit: is every counter what the journal says? It runs beside a gateway that goes on."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.ledger.fold import Fold, Place, parse_place
from gateway.ledger.journal import Entry, read_journal
from gateway.ledger.postings import Counted, account_prefix
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
            sequence, values = await self._read(batch)
            await self._advance(fold, sequence)
            report.faults += _differences(fold, batch, values)
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
            rows = [(_key(self._prefix, place), *fold.sum_of(place)) for place in places[first : first + BATCH]]
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

    async def _read(self, places: Sequence[Place]) -> tuple[int, list[tuple[Counted, int]]]:
        """Read counters, each with the number of the last entry that it has seen, and the sequence at that moment."""
        request = {"counters": [_key(self._prefix, place) for place in places]}
        _, _, sequence, *rows = await self._store.run(self._scripts["audit"], self._prefix, request)
        return int(sequence), [(Counted(*row[:3]), int(row[3])) for row in rows]

    async def _lost_reservations(self, fold: Fold) -> list[str]:
        """Compare the live reservations with those that the journal has not ended, unless it has moved on."""
        ids = await self._store.read("ZRANGE", f"{self._prefix}:live", 0, -1)
        sequence, _ = await self._read([])
        if sequence != fold.sequence:
            return []
        live = {id_.decode() for id_ in ids}
        return [f"{id_} is live in one of store and journal only" for id_ in sorted(live ^ fold.live)]


def _differences(fold: Fold, places: Sequence[Place], values: Sequence[tuple[Counted, int]]) -> list[str]:
    """Compare; a counter that is behind the last entry in its window is brought up before it is used again."""
    return [
        f"{place.counter} from {place.start_us}: counted {tuple(counted)}, the journal says {tuple(expected)}"
        for place, (counted, seen) in zip(places, values, strict=True)
        if seen >= fold.number_of(place) and counted != (expected := fold.sum_of(place))
    ]


def _key(prefix: str, place: Place) -> str:
    return place.counter.key(prefix, place.start_us)
