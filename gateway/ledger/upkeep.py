"""Upkeep: what an account's part of the store needs now and then, done by any worker in small steps."""

import logging
from collections.abc import Mapping
from typing import Any

from gateway.ledger.postings import account_prefix
from gateway.ledger.rounds import Rounds
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store

log = logging.getLogger("gateway.upkeep")

#: How long an ended reservation is kept.
KEEP_SECONDS = 30 * 86400
PAUSE_SECONDS = 10.0
#: Ended reservations that are taken away in one step of the store, some milliseconds long.
SWEEP = 200


class Upkeep(Rounds):
    """Keeps one account's part of the store small. All of it may be repeated, and done by several at once."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        super().__init__(log, PAUSE_SECONDS)
        self._store = store
        self._scripts = scripts
        self._prefix = account_prefix(account)

    async def round(self) -> bool:
        """Do all that is to be done."""
        await self.sweep()
        return False

    async def sweep(self) -> int:
        """Take away all ended reservations that are older than KEEP_SECONDS; returns how many those were."""
        swept = 0
        while True:
            _, _, found = await self._step("sweep", {"keep_s": KEEP_SECONDS, "most": SWEEP})
            swept += int(found)
            if found < SWEEP:
                return swept

    async def _step(self, verb: str, request: object) -> list[Any]:
        return await self._store.run(self._scripts[verb], self._prefix, request)
