"""A reservation's life: one table of states and transitions, which the ledger's scripts are given as it stands.

A reservation is money held for one prediction. It begins once, by being admitted, and ends at most once. Every
event may come again, late or twice: where the table has no way, the event changes nothing and is answered with
the state as it is.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class State(StrEnum):
    """Where a reservation is in its life."""

    HELD = "held"  # admitted; the create is perhaps being sent
    RUNNING = "running"  # upstream gave an id
    IN_DOUBT = "in_doubt"  # sent or perhaps sent; the outcome is unknown, so the hold stays
    SETTLED = "settled"  # ended with a cost, which may be zero
    RELEASED = "released"  # ended; nothing ran


class Event(StrEnum):
    """What can happen to a reservation; each is one script of the ledger."""

    CONFIRM = "confirm"  # upstream's id is known
    DOUBT = "doubt"  # the outcome of the create is unknown
    FINISH = "finish"  # seen to have ended upstream, while its cost is not known yet
    SETTLE = "settle"  # the cost is known, or assumed
    RELEASE = "release"  # provably nothing ran


TRANSITIONS = MappingProxyType(
    {
        (State.HELD, Event.CONFIRM): State.RUNNING,
        (State.HELD, Event.DOUBT): State.IN_DOUBT,
        (State.HELD, Event.RELEASE): State.RELEASED,
        (State.RUNNING, Event.FINISH): State.RUNNING,
        (State.RUNNING, Event.SETTLE): State.SETTLED,
        (State.IN_DOUBT, Event.CONFIRM): State.RUNNING,
        (State.IN_DOUBT, Event.SETTLE): State.SETTLED,
        (State.IN_DOUBT, Event.RELEASE): State.RELEASED,
    }
)


class How(StrEnum):
    """How a cost came to be known; the label of `gateway_settlements_total`."""

    EXACT = "exact"  # upstream stated it
    METERED = "metered"  # upstream stated how much was used, and the policy's price of it was charged
    ASSUMED = "assumed"  # upstream never stated it: the estimate was charged
    RELEASED = "released"  # nothing ran, nothing charged
    OVERRUN = "overrun"  # upstream stated more than the hold
    UNATTRIBUTED = "unattributed"  # upstream stated it; a failover lost whose it is
    LATE = "late"  # upstream stated it after an assumption had been charged


#: The tenant of what upstream ran and nobody is known to have asked for; no policy can have one of that name.
UNATTRIBUTED = "(unattributed)"


class Reservation(NamedTuple):
    """One reservation as the ledger keeps it; money in units of 1e-8 USD, times in microseconds of the store.

    `lost_us` is the first admission of one that a failover lost and that was admitted again.
    """

    id: str
    state: State
    account: str
    tenant: str
    key: str
    model: str
    price_version: str
    upstream_key: str
    estimate: int
    hold: int
    admitted_us: int
    cost: int | None = None
    how: How | None = None
    prediction: str | None = None
    status: str | None = None
    confirmed_us: int | None = None
    finished_us: int | None = None
    ended_us: int | None = None
    input_digest: str = ""
    lost_us: int | None = None

    @property
    def sent_us(self) -> int:
        """When its create can have been sent at the earliest: where a failover lost the first admission, at that."""
        return self.lost_us or self.admitted_us
