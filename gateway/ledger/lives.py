"""Lives: every reservation has one beginning and at most one end, and goes only the ways of the table."""

from collections.abc import Mapping

from gateway.domain.reservation import TRANSITIONS, Event, State
from gateway.ledger.journal import (
    Closed,
    Confirmed,
    Corrected,
    Doubted,
    Entry,
    Fact,
    Finished,
    Released,
    Reopened,
    Reserved,
    Settled,
)

_EVENTS: Mapping[type[Fact], Event] = {
    Confirmed: Event.CONFIRM,
    Doubted: Event.DOUBT,
    Finished: Event.FINISH,
    Settled: Event.SETTLE,
    Released: Event.RELEASE,
}
_ENDED = frozenset((State.SETTLED, State.RELEASED))


class Lives:
    """Follows the reservations of a journal from a position on, and notes what no reservation can have done.

    `before` has those that had begun and not ended there. Of one that had ended before nothing is known, where the
    journal does not begin at its first entry (`whole`).
    """

    def __init__(self, before: Mapping[str, State], *, whole: bool) -> None:
        self.faults: list[str] = []
        self._states = dict(before)
        self._corrected: set[str] = set()
        self._whole = whole

    @property
    def open(self) -> set[str]:
        """Those that have begun and not ended."""
        return {id_ for id_, state in self._states.items() if state not in _ENDED}

    def add(self, entry: Entry) -> None:
        """Take the next entry."""
        if isinstance(entry.fact, Closed | Reopened):  # about the account
            return
        id_, state = entry.reservation, self._states.get(entry.reservation)
        if isinstance(entry.fact, Reserved):
            self._check(entry, state is None, "begins twice")
            self._states[id_] = State.HELD
        elif isinstance(entry.fact, Corrected):
            ended = state in _ENDED or (state is None and not self._whole)
            self._check(entry, ended and id_ not in self._corrected, "is corrected before its end, or twice")
            self._corrected.add(id_)
        elif state is not None:
            self._go(entry, state, _EVENTS[type(entry.fact)])
        else:
            found_late = isinstance(entry.fact, Confirmed) and not self._whole
            self._check(entry, found_late, "goes on without having begun, or after its end")

    def _go(self, entry: Entry, state: State, event: Event) -> None:
        after = TRANSITIONS.get((state, event))
        self._check(entry, after is not None, f"is {state}, and has no way to {event}")
        self._states[entry.reservation] = after or state

    def _check(self, entry: Entry, right: bool, what: str) -> None:
        if not right:
            self.faults.append(f"entry {entry.sequence}: {entry.reservation} {what}")
