"""The journal: what every script wrote in the same step as its change, read back in order."""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from gateway.domain.reservation import How
from gateway.ledger.factbook import FactBook
from gateway.ledger.labels import LabelBook, Labels
from gateway.ledger.postings import account_prefix
from gateway.ledger.store import LedgerUnavailable, Store

PAGE = 500


class _Fact(msgspec.Struct, array_like=True, frozen=True):
    """What every entry begins with, after the word for what happened: the store's time in microseconds, and whom."""

    at_us: int
    reservation: str


class Reserved(_Fact, frozen=True, tag="r"):
    """A hold began; money in units of 1e-8 USD. `grants` are those that alone made room for it, in words; `facts`
    what of the input decided the price, as JSON (in the store mostly `#` and its number in the fact book)."""

    labels: int
    model: str
    estimate: int
    hold: int
    grants: tuple[str, ...] = ()
    facts: str = ""


class Confirmed(_Fact, frozen=True, tag="c"):
    """Upstream gave the prediction an id."""

    prediction: str


class Doubted(_Fact, frozen=True, tag="d"):
    """The outcome of the create is unknown."""

    reason: str


class Finished(_Fact, frozen=True, tag="f"):
    """The prediction ended while its cost was unknown."""

    status: str


class Settled(_Fact, frozen=True, tag="s"):
    """The reservation ended at a cost."""

    cost: int
    how: How
    labels: int
    model: str
    estimate: int
    hold: int
    admitted_us: int


class Released(_Fact, frozen=True, tag="x"):
    """The reservation ended with nothing charged."""

    reason: str
    labels: int
    model: str
    estimate: int
    hold: int
    admitted_us: int


class Corrected(_Fact, frozen=True, tag="k"):
    """Upstream stated a cost after the end: `more` is the difference, which may be negative.

    `predictions` is 1 where the end was a release: then it counts as a prediction after all.
    """

    more: int
    cost: int
    labels: int
    model: str
    admitted_us: int
    predictions: int

    @property
    def counts_now(self) -> bool:
        """Whether it counts for its own time, as what is charged more does, or else for that of the admission."""
        return self.more > 0 or self.predictions > 0

    @property
    def posted_us(self) -> int:
        """The time that it counts for."""
        return self.at_us if self.counts_now else self.admitted_us


class Closed(_Fact, frozen=True, tag="e"):
    """The store may have lost what it acknowledged behind entry `survived`; the numbers go on far above that."""

    survived: int
    why: str


class Reopened(_Fact, frozen=True, tag="o"):
    """What was lost is made up for, or an operator does without."""

    by: str
    reason: str


Fact = Reserved | Confirmed | Doubted | Finished | Settled | Released | Corrected | Closed | Reopened
#: Facts about money say whose it is.
Posted = Reserved | Settled | Released | Corrected
_EVENTS: Mapping[type[Fact], str] = MappingProxyType(
    {
        Reserved: "reserve",
        Confirmed: "confirm",
        Doubted: "doubt",
        Finished: "finish",
        Settled: "settle",
        Released: "release",
        Corrected: "correct",
        Closed: "close",
        Reopened: "reopen",
    }
)
_DECODER: msgspec.msgpack.Decoder[Fact] = msgspec.msgpack.Decoder(Fact)
_NOBODY = Labels("", "", "", "", "")


class Entry(NamedTuple):
    """One entry: its dense sequence number, what happened, and whose it is (empty where no money moved)."""

    sequence: int
    fact: Fact
    labels: Labels

    @property
    def at_us(self) -> int:
        """The store's time."""
        return self.fact.at_us

    @property
    def reservation(self) -> str:
        """Whom it is about."""
        return self.fact.reservation

    @property
    def event(self) -> str:
        """The scripts' word for what happened."""
        return _EVENTS[type(self.fact)]


class JournalGap(LedgerUnavailable):
    """Entries that should be there are not: dropped by a trim, or lost."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__(f"the journal has no entry {first}" + (f" to {last}" if last > first else ""))
        self.first = first
        self.last = last


async def read_journal(store: Store, account: str, after: int | None = None) -> AsyncIterator[Entry]:
    """Give every entry of an account after a sequence number, in order; without one, from where the journal begins.

    Raises LedgerUnavailable, and JournalGap where the next entry is missing.
    """
    book, fact_book = LabelBook(store, account), FactBook(store, account)
    while page := await _page(store, account, after or 0, PAGE):
        known = await book.find(fact.labels for _, fact in page if isinstance(fact, Posted))
        for sequence, fact in page:
            if after is not None:
                _check_follows(after, sequence, fact)
            after = sequence
            yield Entry(sequence, await _spelled(fact, fact_book), _labels(fact, known))


async def next_fact(store: Store, account: str, after: int) -> tuple[int, Fact] | None:
    """Give the first entry behind a sequence number, whichever it has; None where there is none.

    Raises LedgerUnavailable.
    """
    return next(iter(await _page(store, account, after, 1)), None)


async def _page(store: Store, account: str, after: int, most: int) -> list[tuple[int, Fact]]:
    stream = f"{account_prefix(account)}:journal"
    page = await store.read("XRANGE", stream, f"({after}-0", "+", "COUNT", most)
    return [(int(id_.partition(b"-")[0]), _DECODER.decode(_packed(flat))) for id_, flat in page]


def _check_follows(last: int, sequence: int, fact: Fact) -> None:
    """See that an entry is the next: after a failover the first one says behind which it is that."""
    if sequence == last + 1:
        return
    survived = fact.survived if isinstance(fact, Closed) else sequence - 1
    if survived < last:
        raise LedgerUnavailable(
            f"a failover has lost the entries of the journal behind {survived}: read it again from there, "
            f"or go on with --after {sequence - 1}"
        )
    if survived > last:
        raise JournalGap(last + 1, survived)


def _labels(fact: Fact, known: dict[int, Labels]) -> Labels:
    if not isinstance(fact, Posted):
        return _NOBODY
    labels = known[fact.labels]
    return msgspec.structs.replace(labels, model=fact.model) if fact.model else labels


async def _spelled(fact: Fact, book: FactBook) -> Fact:
    """Put a text in place of its number."""
    if isinstance(fact, Reserved) and fact.facts.startswith("#"):
        return msgspec.structs.replace(fact, facts=await book.text(int(fact.facts[1:])))
    return fact


def _packed(flat: Any) -> bytes:
    """Take an entry's one field, whichever protocol version shaped the reply."""
    found = flat[b"e"] if isinstance(flat, dict) else flat[1]
    return bytes(found)
