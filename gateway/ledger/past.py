"""The past: what the journal says of a span of time, and of how things stood when it began."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from gateway.domain.window import bounds
from gateway.ledger.checkpoint import read_position
from gateway.ledger.fold import Place, Post, Poster, Sums
from gateway.ledger.journal import Corrected, Entry, Released, Reserved, Settled, read_journal
from gateway.ledger.postings import Counted, Counter, account_prefix
from gateway.ledger.reading import read_postings
from gateway.ledger.store import Store


@dataclass(frozen=True, slots=True)
class Past:
    """How things stood at a time: what had ended, added up, and the entries of what had not, in their order.

    `sequence` is the last entry before that time; of `dropped` entries nothing is known.
    """

    sums: Mapping[Place, Counted]
    open: tuple[Entry, ...]
    sequence: int
    dropped: int


async def read_past(store: Store, account: str, counters: Iterable[Counter], begin_us: int) -> Past:
    """Read the journal up to a time (microseconds); sums are those of the windows that are open then.

    Raises LedgerUnavailable.
    """
    poster, sums = Poster(await read_postings(store, account), counters), Sums()
    lives: dict[str, list[Entry]] = {}
    begin = await read_position(store, account_prefix(account))
    sequence = begin.floor
    async for entry in read_journal(store, account, begin.floor):
        if entry.at_us >= begin_us:
            break
        sequence = entry.sequence
        if isinstance(entry.fact, Reserved):
            lives[entry.reservation] = [entry]
        elif entry.reservation not in lives:
            if isinstance(entry.fact, Corrected):  # any other is of a beginning that was dropped
                sums.add(entry.sequence, _open_at(poster, entry, begin_us))
        elif isinstance(entry.fact, Settled | Released):
            for each in (lives.pop(entry.reservation)[0], entry):
                sums.add(each.sequence, _open_at(poster, each, begin_us))
        else:
            lives[entry.reservation].append(entry)
    still_open = sorted((entry for life in lives.values() for entry in life), key=lambda entry: entry.sequence)
    return Past(sums.all, tuple(still_open), sequence, begin.dropped)


async def read_since(store: Store, account: str, past: Past) -> AsyncIterator[Entry]:
    """Give the entries of what was open at that time, and then all that came after. Raises LedgerUnavailable."""
    for entry in past.open:
        yield entry
    async for entry in read_journal(store, account, past.sequence):
        yield entry


def _open_at(poster: Poster, entry: Entry, at_us: int) -> list[Post]:
    """Give what an entry posts to the windows that are open at a time."""

    def is_open(place: Place) -> bool:
        window = bounds(place.counter.window, place.counter.zone, at_us)
        return window.start_us <= place.start_us < window.stop_us

    return [post for post in poster.posts(entry) if is_open(post.place)]
