"""Attendance: whether an account is open to creates, and who was there when it was closed."""

import uuid
from collections.abc import Mapping
from typing import NamedTuple

from gateway.domain.window import MICROSECONDS
from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store

BEAT_SECONDS = 5  # a worker's presence is written down again after so long
LEASE_SECONDS = 15  # and counts so long
TURN_SECONDS = 2  # one worker at a time searches for what was lost, so often,
WATCH_SECONDS = 600  # and for so long after a failover

#: Why an account was closed, in words for an operator.
WHY = {
    "failover": "its store's server was a replica before, and has not all that was acknowledged if it was behind",
    "rolled back": "its store has less of the journal than a worker has seen: an older copy was put in its place",
    "emptied": "its ledger is gone from the store",
    "replaced": "its store holds another ledger than before",
}


class Presence(NamedTuple):
    """What a worker is told of an account.

    `epoch` is the number of failovers that may have lost something; the last one began `since` (microseconds of the
    store), and what it lost was admitted after `from_us`, behind the entry `survived` of the journal. `awaited` are
    the workers that were there and have not replayed what they know. It is the asking worker's `turn` to search.
    """

    open: bool
    now_us: int
    epoch: int
    survived: int
    why: str
    from_us: int
    since_us: int
    turn: bool
    awaited: tuple[str, ...]

    def lost(self, longest_us: int) -> tuple[int, int] | None:
        """Give the span of the store's time in which creates were sent of which the last failover may know nothing;
        None where there was none. `longest_us` is how long one may take to begin upstream.
        """
        return (self.from_us, self.since_us + longest_us) if self.since_us else None


class Attendance:
    """One worker's presence in one account. Every method may raise LedgerUnavailable, and be repeated."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self.worker = uuid.uuid4().hex
        self._store = store
        self._scripts = scripts
        self._prefix = account_prefix(account)
        self._ledger = 0
        self._seen = 0
        self._replayed: int | None = None

    async def attend(self, landed_us: int | None = None, *, leaving: bool = False) -> Presence:
        """Say that the worker is there, and how far it has seen; learn whether the account is open.

        One that would search for what was lost says how many microseconds after a failover the last create that was
        on its way must have begun upstream: it has its turn then, or once all have told what they know.
        """
        request = {
            "worker": self.worker,
            "ledger": self._ledger,
            "seen": self._seen,
            "replayed": -1 if self._replayed is None else self._replayed,
            "leaving": leaving,
            "landed_us": landed_us,
            "beat_us": BEAT_SECONDS * MICROSECONDS,
            "lease_us": LEASE_SECONDS * MICROSECONDS,
            "turn_us": TURN_SECONDS * MICROSECONDS,
            "watch_us": WATCH_SECONDS * MICROSECONDS,
        }
        what, now_us, *told = await self._store.run(self._scripts["attend"], self._prefix, request)
        self._ledger, self._seen, epoch, survived, why, from_us, since_us, turn, awaited = told
        if self._replayed is None:  # a worker that is new knows nothing that could have been lost before
            self._replayed = epoch
        names = tuple(worker.decode() for worker in awaited)
        return Presence(what == b"open", now_us, epoch, survived, why.decode(), from_us, since_us, bool(turn), names)

    def has_replayed(self, epoch: int) -> bool:
        """Tell whether all that this worker knew when an epoch began is in the ledger again."""
        return self._replayed == epoch

    def replayed(self, epoch: int) -> None:
        """Note that it is."""
        self._replayed = epoch

    async def leave(self) -> None:
        """Say that the worker stops, so that nobody waits for it."""
        await self.attend(leaving=True)

    async def reopen(self, epoch: int, by: str, reason: str) -> bool:
        """Admit creates again; returns whether this call did it."""
        request = {"epoch": epoch, "by": by, "reason": reason}
        what, _ = await self._store.run(self._scripts["reopen"], self._prefix, request)
        return bool(what == b"done")
