"""The audit: is every counter what checkpoint and journal say? It runs beside a gateway that goes on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.window import MICROSECONDS
from gateway.ledger.checkpoint import Checkpoint, Position, composable
from gateway.ledger.fold import NOTHING, Place, added, place_of
from gateway.ledger.journal import JournalGap
from gateway.ledger.postings import Counted, account_prefix, parse_postings
from gateway.ledger.reading import Reading, read_postings
from gateway.ledger.rolling import add_up
from gateway.ledger.rows import Moment, Row, Rows, batches
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store

#: What a counter must be, place by place.
Said = Mapping[Place, Counted]
#: Trims that may come between before a verification gives up.
TRIES = 4


@dataclass(slots=True)
class Report:
    """What an audit found; `faults` is empty where the ledger is right.

    `entries` is the journal's length in its life, of which `dropped` are no longer in it. `unproven` counters belong
    to windows that are over, and for which the journal no longer reaches back far enough.
    """

    entries: int = 0
    dropped: int = 0
    counters: int = 0
    unproven: int = 0
    live: int = 0
    rolled: int = 0
    faults: list[str] = field(default_factory=list)


class Auditor:
    """Recomputes one account's counters. Every method may raise LedgerUnavailable."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._scripts = scripts
        self._account = account
        self._prefix = account_prefix(account)
        self._checkpoint = Checkpoint(store, scripts, account)
        self._rows = Rows(store, scripts, account)

    async def verify(self) -> Report:
        """Compare every counter, at a moment of the journal, with what checkpoint and journal say at that moment."""
        for _ in range(TRIES):
            begin = await self._checkpoint.position()
            try:
                return await self._verify(begin)
            except JournalGap as gap:
                if (await self._checkpoint.position()).floor <= begin.floor:
                    return Report(faults=[f"{gap}; what is behind it proves nothing"])
        raise LedgerUnavailable("the journal is trimmed all the while; verify again when that is done")

    async def verify_checkpoint(self) -> Report:
        """Compare the counters of the windows that are open with the checkpoint and the little that is behind it.

        This is what a trim rests on, and takes no longer for a longer journal.
        """
        begin, postings = await self._checkpoint.position(), await read_postings(self._store, self._account)
        moment, _ = await self._rows.read([])
        counters = sorted({counter for text in postings.values() for counter in parse_postings(text)[1]}, key=str)
        places = [Place(each, 0) if each.bucket_us else place_of(each, moment.now_us) for each in counters]
        reading = Reading(self._store, self._account, places, begin.without_journal(), {})
        return await self._compare(reading, places, Report(dropped=begin.dropped, rolled=begin.rolled))

    async def _verify(self, begin: Position) -> Report:
        places = await self._rows.all_places()
        reading = await self._reading(places, begin)
        report = await self._compare(reading, places, Report(dropped=begin.dropped, rolled=begin.rolled))
        report.faults += await self._lost_reservations(reading) + reading.lives.faults
        report.entries, report.live = begin.dropped + reading.entries, len(reading.lives.open)
        return report

    async def _compare(self, reading: Reading, places: Sequence[Place], report: Report) -> Report:
        for batch in batches(places):
            moment, rows = await self._rows.read(batch)
            await reading.advance(moment.sequence)
            for row in rows:
                said = _said(reading, row, moment)
                report.unproven += not said
                report.faults += dict.fromkeys(_differences(reading, row, said))  # each once, whoever says it
        report.counters = len(places)
        return report

    async def rebuild(self) -> Report:
        """Write checkpoint and counters anew; no gateway may be admitting meanwhile.

        Raises LedgerUnavailable where one does: then nothing, or only some counters, were written, all of them right.
        """
        await self._checkpoint.remake()
        begin = await self._checkpoint.position()
        places = await self._rows.all_places()
        reading, report = await self._reading(places, begin), Report(dropped=begin.dropped, counters=len(places))
        for batch in batches(places):
            moment, rows = await self._rows.read(batch)
            await reading.advance(moment.sequence)
            said = [(row.place, found[0]) for row in rows if (found := _said(reading, row, moment))]
            report.unproven += len(rows) - len(said)
            right = [_restored(self._prefix, place, found) for place, found in said]
            request = {"sequence": moment.sequence, "counters": right}
            what, _ = await self._store.run(self._scripts["restore"], self._prefix, request)
            if what != b"done":
                raise LedgerUnavailable("the journal moved on; stop every gateway on this store, and rebuild again")
        report.entries, report.live = begin.dropped + reading.entries, len(reading.lives.open)
        report.faults = reading.lives.faults
        return report

    async def _reading(self, places: Sequence[Place], begin: Position) -> Reading:
        before = await self._checkpoint.open_at_floor()
        return Reading(self._store, self._account, places, begin, before)

    async def _lost_reservations(self, reading: Reading) -> list[str]:
        """Compare the live reservations with those that the journal has not ended."""
        moment, live = await self._rows.live()
        await reading.advance(moment.sequence)
        return [f"{id_} is live in one of store and journal only" for id_ in sorted(live ^ reading.lives.open)]


def _said(reading: Reading, row: Row, moment: Moment) -> list[Said]:
    """Give what a counter must be: by the journal alone where it reaches back so far, and by the checkpoint."""
    said: list[Said] = []
    if reading.covers(row.place):
        said.append({place: reading.sums.of(place) for place in row.checkpoint})
    if composable(row.place, moment.now_us):
        tail = reading.behind(moment.rolled)
        said.append({place: added(part.counted, tail.of(place)) for place, part in row.checkpoint.items()})
    return said


def _differences(reading: Reading, row: Row, said: Sequence[Said]) -> Iterator[str]:
    """Compare; a counter that is behind the last entry in its window is brought up before it is used again."""
    lasts = [reading.sums.last(place) for place in row.checkpoint]
    if not reading.covers(row.place):
        lasts += [part.last for part in row.checkpoint.values()]
    if row.seen < max(lasts):
        return
    for right in said:
        yield from _difference(f"{row.place.counter} from {row.place.start_us}", row.counted, add_up(right.values()))
        for place in right if row.place.counter.bucket_us else ():
            bucket = row.buckets.get(place.start_us, NOTHING)
            yield from _difference(f"{place.counter}, bucket {place.start_us}", bucket, right[place])


def _difference(what: str, counted: Counted, right: Counted) -> Iterator[str]:
    if counted != right:
        yield f"{what}: counted {tuple(counted)}, the journal says {tuple(right)}"


def _restored(prefix: str, place: Place, said: Said) -> tuple[str, Counted, list[tuple[int, Counted]], int | bool]:
    """Give a counter as it must be, as restore takes it."""
    key, sums = place.counter.key(prefix, place.start_us), add_up(said.values())
    if not place.counter.bucket_us:
        return key, sums, [], False
    buckets = [(each.start_us // MICROSECONDS, counted) for each, counted in said.items() if any(counted)]
    return key, sums, buckets, place.start_us // MICROSECONDS
