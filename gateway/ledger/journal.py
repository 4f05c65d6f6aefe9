"""The journal: what every script wrote in the same step as its change, read back in order."""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from gateway.domain.reservation import How
from gateway.ledger.postings import account_prefix
from gateway.ledger.store import Store

PAGE = 500


class Reserved(msgspec.Struct, array_like=True, frozen=True):
    """A hold began; money in units of 1e-8 USD. `grants` are those that alone made room for it, in words."""

    tenant: str
    key: str
    model: str
    price_version: str
    estimate: int
    hold: int
    postings: str
    grants: tuple[str, ...] = ()


class Confirmed(msgspec.Struct, array_like=True, frozen=True):
    """Upstream gave the prediction an id."""

    prediction: str


class Doubted(msgspec.Struct, array_like=True, frozen=True):
    """The outcome of the create is unknown."""

    reason: str


class Finished(msgspec.Struct, array_like=True, frozen=True):
    """The prediction ended while its cost was unknown."""

    status: str


class Settled(msgspec.Struct, array_like=True, frozen=True):
    """The reservation ended at a cost."""

    cost: int
    how: How
    tenant: str
    key: str
    model: str
    hold: int
    estimate: int
    admitted_us: int
    postings: str


class Released(msgspec.Struct, array_like=True, frozen=True):
    """The reservation ended with nothing charged."""

    reason: str
    tenant: str
    key: str
    model: str
    hold: int
    estimate: int
    admitted_us: int
    postings: str


class Corrected(msgspec.Struct, array_like=True, frozen=True):
    """Upstream stated a cost after an assumption was charged: `more` is the difference, which may be negative."""

    more: int
    cost: int
    tenant: str
    key: str
    model: str
    admitted_us: int
    postings: str


Fact = Reserved | Confirmed | Doubted | Finished | Settled | Released | Corrected
#: The scripts' words for what happened.
EVENTS: Mapping[type[Fact], str] = MappingProxyType(
    {
        Reserved: "reserve",
        Confirmed: "confirm",
        Doubted: "doubt",
        Finished: "finish",
        Settled: "settle",
        Released: "release",
        Corrected: "correct",
    }
)
_FACTS: Mapping[bytes, type[Fact]] = MappingProxyType({word.encode(): fact for fact, word in EVENTS.items()})


class Entry(NamedTuple):
    """One entry: its dense sequence number, the store's time in microseconds, whom it is about, and what happened."""

    sequence: int
    at_us: int
    reservation: str
    fact: Fact


async def read_journal(store: Store, account: str, after: int = 0) -> AsyncIterator[Entry]:
    """Give every entry of an account after a sequence number, in order. Raises LedgerUnavailable."""
    stream = f"{account_prefix(account)}:journal"
    while True:
        page = await store.read("XRANGE", stream, f"({after}-0", "+", "COUNT", PAGE)
        for id_, flat in page:
            entry = _entry(id_, flat)
            after = entry.sequence
            yield entry
        if len(page) < PAGE:
            return


def _entry(id_: bytes, flat: object) -> Entry:
    fields = flat if isinstance(flat, dict) else _pairs(flat)
    fact = msgspec.msgpack.decode(fields[b"d"], type=_FACTS[fields[b"e"]])
    return Entry(int(id_.partition(b"-")[0]), int(fields[b"at"]), fields[b"r"].decode(), fact)


def _pairs(flat: object) -> dict[bytes, bytes]:
    if not isinstance(flat, list | tuple):
        raise TypeError(f"a journal entry's fields are {type(flat)}")
    items = iter(flat)
    return dict(zip(items, items, strict=True))
