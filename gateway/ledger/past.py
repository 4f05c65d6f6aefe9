"""The past: what the journal says of a span of time, and of how things stood when it began."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from gateway.ledger.fold import Fold, Place
from gateway.ledger.journal import Entry, Released, Reserved, Settled, read_journal
from gateway.ledger.postings import Counted, Counter, account_prefix
from gateway.ledger.store import Store


@dataclass(frozen=True, slots=True)
class Past:
    """How things stood at a time: what had ended, added up, and the entries of what had not, in their order.

    `sequence` is the last entry before that time, `first` the first that the journal still has (0: none).
    """

    sums: Mapping[Place, Counted]
    open: tuple[Entry, ...]
    sequence: int
    first: int


async def read_past(store: Store, account: str, counters: Iterable[Counter], begin_us: int) -> Past:
    """Read the journal up to a time (microseconds); sums are those of the windows that are open then.

    Raises LedgerUnavailable.
    """
    fold = Fold(await _postings(store, account), counters, only_at=begin_us)
    lives: dict[str, list[Entry]] = {}
    sequence = first = 0
    async for entry in read_journal(store, account):
        first = first or entry.sequence
        if entry.at_us >= begin_us:
            break
        sequence = entry.sequence
        if isinstance(entry.fact, Reserved):
            lives[entry.reservation] = [entry]
        elif entry.reservation not in lives:
            fold.add(entry)  # a correction of what had ended
        elif isinstance(entry.fact, Settled | Released):
            for each in (lives.pop(entry.reservation)[0], entry):
                fold.add(each)
        else:
            lives[entry.reservation].append(entry)
    still_open = sorted((entry for life in lives.values() for entry in life), key=lambda entry: entry.sequence)
    return Past(fold.sums, tuple(still_open), sequence, first)


async def read_since(store: Store, account: str, past: Past) -> AsyncIterator[Entry]:
    """Give the entries of what was open at that time, and then all that came after. Raises LedgerUnavailable."""
    for entry in past.open:
        yield entry
    async for entry in read_journal(store, account, past.sequence):
        yield entry


async def _postings(store: Store, account: str) -> dict[str, str]:
    reply = await store.read("HGETALL", f"{account_prefix(account)}:postings")
    return {id_.decode(): text.decode() for id_, text in reply.items()}
