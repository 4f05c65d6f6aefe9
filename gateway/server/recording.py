"""Recording: what happened upstream must reach the ledger, whatever becomes of the client or the store."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from gateway.ledger.store import LedgerUnavailable

log = logging.getLogger("gateway.recording")

#: How long an answer waits for its record; after that the client gets it, and the recording goes on.
PATIENCE_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0


class _NotYet(Enum):
    NOT_YET = "not yet"


#: What `record` answers while the ledger does not have it yet.
NOT_YET = _NotYet.NOT_YET


class Recorder:
    """Repeats a record until the ledger has it; every verb of the ledger may be repeated."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[Any]] = set()

    async def record(self, what: str, action: Callable[[], Awaitable[Any]]) -> Any:
        """Run an action of the ledger; returns its result, or NOT_YET if it takes longer than PATIENCE_SECONDS.

        The first try needs no task of its own: the store answers within a second, or not at all.
        """
        give_up = time.monotonic() + PATIENCE_SECONDS
        try:
            return await action()
        except LedgerUnavailable as error:
            log.warning("%s is not recorded yet: %s", what, error)
        except asyncio.CancelledError:
            self.keep(self._until_done(what, action))
            raise
        task = self.keep(self._until_done(what, action, FIRST_PAUSE_SECONDS))
        done, _ = await asyncio.wait((task,), timeout=max(give_up - time.monotonic(), 0))
        return task.result() if done else NOT_YET

    def keep(self, work: Any) -> "asyncio.Task[Any]":
        """Run work to its end, whether or not anybody waits for it."""
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return task

    async def drain(self, seconds: float) -> None:
        """Wait for what is still open, so long; what is left then is found by the reconciler."""
        give_up = time.monotonic() + seconds
        while self._open and time.monotonic() < give_up:  # one that ends may have begun another
            await asyncio.wait(self._open, timeout=give_up - time.monotonic())
        if self._open:
            log.error("%d records did not reach the ledger before the end", len(self._open))

    async def _until_done(self, what: str, action: Callable[[], Awaitable[Any]], pause: float = 0.0) -> Any:
        while True:
            await asyncio.sleep(pause)
            try:
                return await action()
            except LedgerUnavailable as error:
                log.warning("%s is not recorded yet: %s", what, error)
            pause = min(max(pause * 2, FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
