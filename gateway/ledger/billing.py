"""Billing: what upstream billed of each price, folded from the journal."""

from collections import Counter
from collections.abc import AsyncIterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from gateway.domain.reservation import How
from gateway.domain.window import MICROSECONDS
from gateway.ledger.journal import Corrected, Entry, Released, Reserved, Settled
from gateway.pricing.explaining import Billed

_STATED = (How.EXACT, How.OVERRUN)


class Price(NamedTuple):
    """One price of the book: a model's, in one version."""

    model: str
    version: str


async def read_billed(
    entries: AsyncIterable[Entry], since: date | None = None, until: date | None = None
) -> dict[Price, Counter[Billed]]:
    """Count what was billed of the predictions that were admitted from one day (UTC) to another, ends included.

    Only costs above zero that upstream stated of models with a price: what failed or was assumed tells nothing. Of a
    journal whose beginning is gone, what was admitted before is left out.
    """
    open_: dict[str, tuple[Price, Reserved]] = {}
    found: dict[Price, Counter[Billed]] = {}

    def take(reservation: str, cost: int) -> None:
        price, begun = open_.pop(reservation)
        if cost > 0:
            found.setdefault(price, Counter())[Billed(begun.facts, begun.estimate, begun.hold, cost)] += 1

    async for entry in entries:
        match entry.fact:
            case Reserved() as fact if entry.labels.price_version and _within(fact.at_us, since, until):
                open_[fact.reservation] = Price(entry.labels.model, entry.labels.price_version), fact
            case Settled() as fact if fact.reservation in open_ and fact.how in _STATED:
                take(fact.reservation, fact.cost)
            case Corrected() as fact if fact.reservation in open_:
                take(fact.reservation, fact.cost)
            case Released() as fact:
                open_.pop(fact.reservation, None)
            case _:
                pass
    return found


def _within(at_us: int, since: date | None, until: date | None) -> bool:
    day = datetime.fromtimestamp(at_us // MICROSECONDS, UTC).date()
    return (since is None or day >= since) and (until is None or day <= until)
