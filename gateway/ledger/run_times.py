"""Run times: how long the last runs of each model took by upstream's word, as the ledger keeps them."""

import time
from collections.abc import Callable

from gateway.ledger.postings import account_prefix
from gateway.ledger.store import Store

#: Runs that are kept of a model, the last ones.
MOST_RUNS = 40
#: How long a worker uses what it has read.
FRESH_SECONDS = 20.0


class RunTimes:
    """One worker's copy of an account's run times; read again while somebody asks for them.

    `clock` gives seconds that never run backwards.
    """

    def __init__(self, store: Store, account: str, clock: Callable[[], float] | None = None) -> None:
        self._store = store
        self._prefix = account_prefix(account)
        self._clock = clock or time.monotonic  # no default value, since the simulator replaces it
        self._read: dict[str, tuple[float, tuple[float, ...]]] = {}
        self._asked: set[str] = set()

    def of(self, model: str) -> tuple[float, ...]:
        """Give the last known run times of a model in seconds, shortest first; none until `refresh` has read them."""
        self._asked.add(model)
        return self._read.get(model, (0.0, ()))[1]

    async def refresh(self) -> None:
        """Read what was asked for since the last time and is not fresh. Raises LedgerUnavailable."""
        now = self._clock()
        fresh = {model for model, (at, _) in self._read.items() if now - at < FRESH_SECONDS}
        stale = self._asked - fresh
        self._asked = set()
        for model in stale:
            found = await self._store.read("LRANGE", f"{self._prefix}:runs:{model}", 0, MOST_RUNS - 1)
            self._read[model] = (now, tuple(sorted(int(ms) / 1000 for ms in found)))
