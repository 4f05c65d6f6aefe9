"""Granted: what was admitted that only a grant made room for, folded from the journal by the words for that grant."""

from collections.abc import AsyncIterable
from typing import NamedTuple

from gateway.ledger.journal import Corrected, Entry, Released, Reserved, Settled


class Granted(NamedTuple):
    """Creates that needed a grant and were not released, and units of 1e-8 USD charged and still held for them."""

    creates: int
    charged: int
    held: int


async def sum_granted(entries: AsyncIterable[Entry]) -> dict[str, Granted]:
    """Fold an account's journal; a create that needed two grants counts for each."""
    sums: dict[str, Granted] = {}
    needed: dict[str, tuple[str, ...]] = {}

    def add(reservation: str, change: Granted) -> None:
        for grant in needed.get(reservation, ()):
            before = sums.get(grant, Granted(0, 0, 0))
            sums[grant] = Granted(*(a + b for a, b in zip(before, change, strict=True)))

    async for entry in entries:
        match entry.fact:
            case Reserved() as fact if fact.grants:
                needed[entry.reservation] = fact.grants
                add(entry.reservation, Granted(1, 0, fact.hold))
            case Settled() as fact:
                add(entry.reservation, Granted(0, fact.cost, -fact.hold))
            case Released() as fact:
                add(entry.reservation, Granted(-1, 0, -fact.hold))
            case Corrected() as fact:
                add(entry.reservation, Granted(0, fact.more, 0))
            case _:
                pass
    return sums
