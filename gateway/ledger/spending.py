"""Spending: where the money went, folded from the journal by day, tenant, key and model."""

from collections.abc import AsyncIterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from gateway.domain.window import MICROSECONDS
from gateway.ledger.journal import Corrected, Entry, Released, Reserved, Settled
from gateway.ledger.labels import Labels


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


async def sum_spending(account: str, entries: AsyncIterable[Entry]) -> dict[Group, Sum]:
    """Fold an account's journal; a group in which nothing ran is left out."""
    sums: dict[Group, Sum] = {}

    def add(at_us: int, labels: Labels, change: Sum) -> None:
        day = datetime.fromtimestamp(at_us // MICROSECONDS, UTC).date()
        group = Group(day, account, labels.tenant, labels.key, labels.model)
        before = sums.get(group, Sum(0, 0, 0))
        sums[group] = Sum(*(a + b for a, b in zip(before, change, strict=True)))

    async for entry in entries:
        match entry.fact:
            case Reserved() as fact:
                add(fact.at_us, entry.labels, Sum(1, 0, fact.hold))
            case Settled() as fact:
                add(fact.admitted_us, entry.labels, Sum(0, fact.cost, -fact.hold))
            case Released() as fact:
                add(fact.admitted_us, entry.labels, Sum(-1, 0, -fact.hold))
            case Corrected() as fact:
                add(fact.at_us if fact.more > 0 else fact.admitted_us, entry.labels, Sum(0, fact.more, 0))
            case _:
                pass
    return {group: found for group, found in sorted(sums.items()) if found != Sum(0, 0, 0)}
