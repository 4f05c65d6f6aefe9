"""Spending: where the money went, by day, tenant, key and model, from the checkpoint and the journal behind it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from gateway.domain.window import MICROSECONDS
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.journal import (
    Corrected,
    Entry,
    JournalGap,
    Released,
    Reserved,
    Settled,
    read_journal,
)
from gateway.ledger.labels import LabelBook
from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store

#: Days that are read in one step of the store.
DAYS = 10
TRIES = 4
_EPOCH = date(1970, 1, 1)


class Group(NamedTuple):
    """What is summed together; the day is the UTC day of the admission (of a later charge: its own)."""

    day: date
    account: str
    tenant: str
    key: str
    model: str


class Sum(NamedTuple):
    """Predictions that were admitted and not released, and units of 1e-8 USD charged and still held."""

    predictions: int
    charged: int
    held: int


async def read_spending(store: Store, scripts: Mapping[str, Script], account: str) -> dict[Group, Sum]:
    """Sum up an account's spending, of entries too that were trimmed; a group in which nothing ran is left out.

    Raises LedgerUnavailable.
    """
    for _ in range(TRIES):
        try:
            return await _Spending(store, scripts, account).read()
        except JournalGap as gap:
            if (await Checkpoint(store, scripts, account).position()).floor < gap.last:
                raise
    raise LedgerUnavailable("the journal is trimmed all the while; try again when that is done")


class _Spending:
    """One reading: each day as the checkpoint has it at a moment of its own, and the entries behind that."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._scripts = scripts
        self._account = account
        self._prefix = account_prefix(account)
        self._labels = LabelBook(store, account)
        self._sums: dict[Group, Sum] = {}
        self._rolled: dict[date, int] = {}

    async def read(self) -> dict[Group, Sum]:
        begin = (await Checkpoint(self._store, self._scripts, self._account).position()).rolled
        days = sorted(int(day) for day in await self._store.read("SMEMBERS", f"{self._prefix}:days"))
        for first in range(0, len(days), DAYS):
            await self._read_days(days[first : first + DAYS])
        async for entry in read_journal(self._store, self._account, begin):
            change = _change(entry)
            if change is None:
                continue
            group = _group(change[0], self._account, entry)
            if entry.sequence > self._rolled.get(group.day, begin):
                self._add(group, change[1])
        return {group: found for group, found in sorted(self._sums.items()) if found != Sum(0, 0, 0)}

    async def _read_days(self, days: Sequence[int]) -> None:
        _, _, rolled, *found = await self._store.run(self._scripts["spent"], self._prefix, {"days": days})
        for number, flat in zip(days, found, strict=True):
            day = _EPOCH + timedelta(days=number)
            self._rolled[day] = int(rolled)
            rows = [(name.decode().partition(" "), text.split()) for name, text in _pairs(flat)]
            known = await self._labels.find(int(labels) for (labels, _, _), _ in rows)
            for (labels, _, model), (predictions, charged, held, _) in rows:
                whose = known[int(labels)]
                group = Group(day, self._account, whose.tenant, whose.key, model or whose.model)
                self._add(group, Sum(int(predictions), int(charged), int(held)))

    def _add(self, group: Group, change: Sum) -> None:
        before = self._sums.get(group, Sum(0, 0, 0))
        self._sums[group] = Sum(*(a + b for a, b in zip(before, change, strict=True)))


def _change(entry: Entry) -> tuple[int, Sum] | None:
    """Say what an entry adds, and to which time (microseconds)."""
    match entry.fact:
        case Reserved() as fact:
            return fact.at_us, Sum(1, 0, fact.hold)
        case Settled() as fact:
            return fact.admitted_us, Sum(0, fact.cost, -fact.hold)
        case Released() as fact:
            return fact.admitted_us, Sum(-1, 0, -fact.hold)
        case Corrected() as fact:
            return fact.posted_us, Sum(fact.predictions, fact.more, 0)
        case _:
            return None


def _group(at_us: int, account: str, entry: Entry) -> Group:
    day = datetime.fromtimestamp(at_us // MICROSECONDS, UTC).date()
    return Group(day, account, entry.labels.tenant, entry.labels.key, entry.labels.model)


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
