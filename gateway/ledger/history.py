"""History: reservations as the journal tells of them, from their admission to their present state."""

from datetime import UTC, datetime

from gateway.domain.reservation import How, Reservation, State
from gateway.domain.window import MICROSECONDS
from gateway.ledger.checkpoint import read_position
from gateway.ledger.journal import (
    Confirmed,
    Corrected,
    Doubted,
    Entry,
    Finished,
    Released,
    Reserved,
    Settled,
    read_journal,
)
from gateway.ledger.postings import account_prefix
from gateway.ledger.store import Store


class HistoryTrimmed(Exception):
    """The journal begins after the time that was asked for; says when."""


async def read_history(store: Store, account: str, from_us: int, until_us: int) -> dict[str, Reservation]:
    """Give what was admitted from `from_us` and before `until_us` (microseconds), by reservation id.

    Raises HistoryTrimmed where the beginning of the journal was cut off after `from_us`, and LedgerUnavailable.
    """
    found: dict[str, Reservation] = {}
    begins_us = None
    async for entry in read_journal(store, account):
        if begins_us is None:
            begins_us = entry.at_us if entry.sequence > 1 else 0
        if isinstance(entry.fact, Reserved):
            if from_us <= entry.at_us < until_us:
                found[entry.reservation] = _begun(account, entry, entry.fact)
        elif entry.reservation in found:
            found[entry.reservation] = _changed(found[entry.reservation], entry)
    position = await read_position(store, account_prefix(account))
    _check_begin(position.floor_us + 1 if position.floor else begins_us or 0, from_us)
    return found


def _check_begin(begins_us: int, from_us: int) -> None:
    if begins_us > from_us:
        begins = datetime.fromtimestamp(begins_us // MICROSECONDS, UTC)
        raise HistoryTrimmed(f"the journal begins at {begins:%Y-%m-%dT%H:%M:%SZ}; ask for what came after")


def _begun(account: str, entry: Entry, fact: Reserved) -> Reservation:
    return Reservation(
        id=entry.reservation,
        state=State.HELD,
        account=account,
        tenant=entry.labels.tenant,
        key=entry.labels.key,
        model=entry.labels.model,
        price_version=entry.labels.price_version,
        upstream_key="",
        estimate=fact.estimate,
        hold=fact.hold,
        admitted_us=entry.at_us,
    )


def _changed(before: Reservation, entry: Entry) -> Reservation:
    """Follow one entry; the scripts have seen to it that the table of transitions allows it."""
    match entry.fact:
        case Confirmed() as fact:
            return before._replace(state=State.RUNNING, prediction=fact.prediction, confirmed_us=entry.at_us)
        case Doubted():
            return before._replace(state=State.IN_DOUBT)
        case Finished() as fact:
            return before._replace(status=fact.status, finished_us=entry.at_us)
        case Settled() as fact:
            return before._replace(state=State.SETTLED, cost=fact.cost, how=fact.how, ended_us=entry.at_us)
        case Corrected() as fact:
            return before._replace(cost=fact.cost, how=How.LATE)
        case Released():
            return before._replace(state=State.RELEASED, cost=0, how=How.RELEASED, ended_us=entry.at_us)
        case _:
            return before
