"""The fold: what every entry of the journal posts to the counters, and what it comes to."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from gateway.domain.window import MICROSECONDS, Bounds, Rolling, bounds
from gateway.ledger.journal import Corrected, Entry, Released, Reserved, Settled
from gateway.ledger.postings import Counted, Counter, parse_counter

NOTHING = Counted(0, 0, 0)


class Place(NamedTuple):
    """A counter in one of its windows; of one that rolls, in one of its buckets."""

    counter: Counter
    start_us: int

    @property
    def stop_us(self) -> int:
        """Where its window, or bucket, ends."""
        width = self.counter.bucket_us
        return self.start_us + width if width else _bounds(self.counter, self.start_us // MICROSECONDS).stop_us

    @property
    def length_us(self) -> int:
        """How long the window is that begins here."""
        window, width = self.counter.window, self.counter.bucket_us
        return window.buckets * width if isinstance(window, Rolling) else self.stop_us - self.start_us

    def window(self) -> "Iterable[Place]":
        """Give the places of which the counter has the sum: this one alone, or the buckets of a window from it on."""
        window, width = self.counter.window, self.counter.bucket_us
        count = window.buckets if isinstance(window, Rolling) else 1
        return (Place(self.counter, self.start_us + width * number) for number in range(count))


class Post(NamedTuple):
    """What one entry adds to one counter; where it `counts`, a counter is complete only if it has seen the entry."""

    place: Place
    change: Counted
    counts: bool


def parse_place(key: str) -> Place:
    """Read the name of a counter's key, as `Counter.key` writes it (with the account's prefix)."""
    counter, start = key.split(":c:", 1)[1].rsplit("|", 1)
    return Place(parse_counter(counter), int(start) * MICROSECONDS)


def place_of(counter: Counter, at_us: int) -> Place:
    """Find where a counter counts what was admitted at an instant."""
    width = counter.bucket_us
    return Place(counter, at_us // width * width if width else _bounds(counter, at_us // MICROSECONDS).start_us)


class Poster:
    """Says what entries post to the counters that are asked for."""

    def __init__(self, postings: Mapping[str, str], counters: Iterable[Counter]) -> None:
        self._scopes = {id_: text.partition("\n")[0].split() for id_, text in postings.items()}
        self._named = {id_: frozenset(text.split("\n")[1:]) for id_, text in postings.items()}
        self._counters: defaultdict[str, list[Counter]] = defaultdict(list)
        for counter in set(counters):
            self._counters[counter.scope].append(counter)

    def posts(self, entry: Entry) -> list[Post]:
        """Give what an entry posts. Raises KeyError where its set of postings is unknown."""
        postings = entry.labels.postings
        match entry.fact:
            case Reserved() as fact:
                return self._everywhere(postings, fact.at_us, Counted(0, fact.hold, 1), counts=True)
            case Settled() as fact:
                return self._everywhere(postings, fact.admitted_us, Counted(fact.cost, -fact.hold, 0), counts=False)
            case Released() as fact:
                return self._everywhere(postings, fact.admitted_us, Counted(0, -fact.hold, -1), counts=False)
            case Corrected() as fact:
                change = Counted(fact.more, 0, fact.predictions)
                posts = self._everywhere(postings, fact.posted_us, change, counts=True)
                # What is taken back from a past window need not be seen there, except by a counter that it did not
                # reach, because its limit is newer than the reservation: that one is behind from here on.
                named = frozenset() if fact.counts_now else self._named[postings]
                return [post._replace(counts=str(post.place.counter) not in named) for post in posts]
            case _:
                return []

    def _everywhere(self, postings: str, at_us: int, change: Counted, *, counts: bool) -> list[Post]:
        return [
            Post(place_of(counter, at_us), change, counts)
            for scope in self._scopes[postings]
            for counter in self._counters[scope]
        ]


class Sums:
    """What posts come to."""

    def __init__(self) -> None:
        self._sums: dict[Place, Counted] = {}
        self._last: dict[Place, int] = {}

    def add(self, sequence: int, posts: Iterable[Post]) -> None:
        """Take the posts of the entry with that sequence."""
        for post in posts:
            self._sums[post.place] = added(self.of(post.place), post.change)
            if post.counts:
                self._last[post.place] = sequence

    def take_back(self, posts: Iterable[Post]) -> None:
        """Forget posts that were added."""
        for post in posts:
            self._sums[post.place] = added(self.of(post.place), Counted(*(-each for each in post.change)))

    @property
    def all(self) -> Mapping[Place, Counted]:
        """Every place at which something was added."""
        return self._sums

    def of(self, place: Place) -> Counted:
        """Give the sum at a place."""
        return self._sums.get(place, NOTHING)

    def last(self, place: Place) -> int:
        """Give the sequence of the newest entry that the counter must have seen to be complete."""
        return self._last.get(place, 0)


class Tail:
    """The sums of the entries behind a position that moves forward."""

    def __init__(self) -> None:
        self._sums = Sums()
        self._entries: deque[tuple[int, Sequence[Post]]] = deque()

    def add(self, sequence: int, posts: Sequence[Post]) -> None:
        """Take the next entry's posts."""
        self._sums.add(sequence, posts)
        self._entries.append((sequence, posts))

    def behind(self, position: int) -> Sums:
        """Give the sums of what came after a position, which may be no lower than the last one asked for."""
        while self._entries and self._entries[0][0] <= position:
            self._sums.take_back(self._entries.popleft()[1])
        return self._sums


def added(one: Counted, other: Counted) -> Counted:
    """Add column by column."""
    return Counted(*(a + b for a, b in zip(one, other, strict=True)))


def _bounds(counter: Counter, at_s: int) -> Bounds:
    return _bounds_of_minute(counter, at_s // 60)


@lru_cache(maxsize=2**16)
def _bounds_of_minute(counter: Counter, minute: int) -> Bounds:
    """Windows begin on whole minutes, and a journal has many entries in one."""
    return bounds(counter.window, counter.zone, minute * 60 * MICROSECONDS)
