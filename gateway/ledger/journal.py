"""The journal: what every script wrote in the same step as its change, read back in order."""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from gateway.domain.reservation import How
from gateway.ledger.factbook import FactBook
from gateway.ledger.labels import LabelBook, Labels
from gateway.ledger.postings import account_prefix
from gateway.ledger.store import Store

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
    """Upstream stated a cost after an assumption was charged: `more` is the difference, which may be negative."""

    more: int
    cost: int
    labels: int
    model: str
    admitted_us: int


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


async def read_journal(store: Store, account: str, after: int = 0) -> AsyncIterator[Entry]:
    """Give every entry of an account after a sequence number, in order. Raises LedgerUnavailable."""
    stream, book = f"{account_prefix(account)}:journal", LabelBook(store, account)
    fact_book = FactBook(store, account)
    while True:
        page = await store.read("XRANGE", stream, f"({after}-0", "+", "COUNT", PAGE)
        facts = [(int(id_.partition(b"-")[0]), _DECODER.decode(_packed(flat))) for id_, flat in page]
        known = await book.find(fact.labels for _, fact in facts if isinstance(fact, Posted))
        for sequence, fact in facts:
            yield Entry(sequence, await _spelled(fact, fact_book), _labels(fact, known))
        if len(page) < PAGE:
            return
        after = facts[-1][0]


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
