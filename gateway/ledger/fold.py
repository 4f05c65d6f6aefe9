"""The fold: what every counter must be, worked out from the journal alone."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.domain.window import BUCKETS, MICROSECONDS, bounds
from gateway.ledger.journal import Closed, Corrected, Entry, Released, Reopened, Reserved, Settled
from gateway.ledger.postings import Counted, Counter, parse_counter


class Place(NamedTuple):
    """A counter in one of its windows; of one that rolls, in one of its buckets."""

    counter: Counter
    start_us: int

    def window(self) -> "Iterable[Place]":
        """Give the places of which the counter has the sum: this one alone, or the buckets of a window from it on."""
        width = self.counter.bucket_us
        return (Place(self.counter, self.start_us + width * number) for number in range(BUCKETS + 1 if width else 1))


def place_of(counter: Counter, at_us: int) -> Place:
    """Find where a counter counts what was admitted at an instant."""
    width = counter.bucket_us
    return Place(counter, at_us // width * width if width else bounds(counter.window, counter.zone, at_us).start_us)


def parse_place(key: str) -> Place:
    """Read the name of a counter's key, as `Counter.key` writes it (with the account's prefix)."""
    counter, start = key.split(":c:", 1)[1].rsplit("|", 1)
    return Place(parse_counter(counter), int(start) * MICROSECONDS)


def _open_at(counter: Counter, now_us: int, at_us: int) -> bool:
    """Tell whether what was admitted at an instant is in the window of another."""
    window = bounds(counter.window, counter.zone, now_us)
    return window.start_us <= at_us < window.stop_us


class Fold:
    """Adds up a journal, entry by entry in order, and notes where it contradicts itself.

    With `only_at` (microseconds) it adds up for each counter only the window that is open at that time.
    """

    def __init__(self, postings: Mapping[str, str], counters: Iterable[Counter], only_at: int | None = None) -> None:
        self._only_at = only_at
        self.sequence = 0
        self.live: set[str] = set()
        self.faults: list[str] = []
        self._ended: set[str] = set()
        self._scopes = {id_: text.partition("\n")[0].split() for id_, text in postings.items()}
        self._named = {id_: frozenset(text.split("\n")[1:]) for id_, text in postings.items()}
        self._counters: defaultdict[str, list[Counter]] = defaultdict(list)
        for counter in set(counters):
            self._counters[counter.scope].append(counter)
        self._sums: dict[Place, Counted] = {}
        self._numbers: defaultdict[str, int] = defaultdict(int)
        self._last: dict[Place, int] = {}

    def sum_of(self, place: Place) -> Counted:
        """Give what is counted in one place after the entries so far."""
        return self._sums.get(place, Counted(0, 0, 0))

    @property
    def sums(self) -> Mapping[Place, Counted]:
        """Every place in which something was added up."""
        return self._sums

    def number_of(self, place: Place) -> int:
        """Give the number, in its scope, of the last entry that a counter must have seen to be complete."""
        return self._last.get(place, 0)

    def add(self, entry: Entry) -> None:
        """Take the next entry."""
        leap = isinstance(entry.fact, Closed) and entry.fact.survived == self.sequence
        if entry.sequence != self.sequence + 1 and not leap:
            self.faults.append(f"the journal has no entry {self.sequence + 1}: {entry.sequence} follows")
        self.sequence, postings = entry.sequence, entry.labels.postings
        match entry.fact:
            case Reserved() as fact:
                self._begin(fact.reservation)
                self._post(postings, fact.at_us, Counted(0, fact.hold, 1), numbered=True)
            case Settled() as fact:
                self._end(fact.reservation)
                self._post(postings, fact.admitted_us, Counted(fact.cost, -fact.hold, 0))
            case Released() as fact:
                self._end(fact.reservation)
                self._post(postings, fact.admitted_us, Counted(0, -fact.hold, -1))
            case Corrected() as fact:
                if fact.reservation not in self._ended:
                    self.faults.append(f"entry {self.sequence}: {fact.reservation} is corrected before its end")
                at_us = fact.at_us if fact.more > 0 else fact.admitted_us
                self._post(postings, at_us, Counted(fact.more, 0, 0), numbered=True)
            case Closed() | Reopened():
                pass
            case fact:
                if fact.reservation not in self.live:
                    self.faults.append(f"entry {entry.sequence}: {fact.reservation} is not live")

    def _begin(self, reservation: str) -> None:
        if reservation in self.live or reservation in self._ended:
            self.faults.append(f"entry {self.sequence}: {reservation} begins twice")
        self.live.add(reservation)

    def _end(self, reservation: str) -> None:
        if reservation not in self.live:
            self.faults.append(f"entry {self.sequence}: {reservation} ends without having begun, or twice")
        self.live.discard(reservation)
        self._ended.add(reservation)

    def _post(self, postings: str, at_us: int, change: Counted, *, numbered: bool = False) -> None:
        if postings not in self._scopes:
            self.faults.append(f"entry {self.sequence}: the set of counters {postings} is unknown")
        for scope in self._scopes.get(postings, ()):
            self._numbers[scope] += numbered
            for counter in self._counters[scope]:
                if self._only_at is not None and not _open_at(counter, self._only_at, at_us):
                    continue
                place = place_of(counter, at_us)
                # What is taken back from a past window has no number there, except in a counter that the correction
                # did not reach, because its limit is newer than the reservation: that one is behind from here on.
                if numbered and (change.charged >= 0 or str(counter) not in self._named[postings]):
                    self._last[place] = self._numbers[scope]
                before = self.sum_of(place)
                self._sums[place] = Counted(*(a + b for a, b in zip(before, change, strict=True)))
