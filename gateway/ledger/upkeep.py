"""Upkeep: what an account's part of the store needs now and then, done by any worker in small steps."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store

log = logging.getLogger("gateway.upkeep")

#: How long an ended reservation is kept.
KEEP_SECONDS = 30 * 86400
PAUSE_SECONDS = 10.0
#: Ended reservations that are taken away in one step of the store, some milliseconds long.
SWEEP = 200


class Upkeep:
    """Keeps one account's part of the store small. All of it may be repeated, and done by several at once."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._scripts = scripts
        self._prefix = account_prefix(account)
        self._stopping = False

    def stop(self) -> None:
        """Let the round that runs come to its end, and begin no other."""
        self._stopping = True

    async def run(self) -> None:
        """Do what is to be done, and again after a while, until stopped; no failure of the store ends it."""
        while not self._stopping:
            try:
                await self.sweep()
            except LedgerUnavailable as error:
                log.warning("the upkeep waits: %s", error)
            except Exception:
                log.exception("the upkeep failed; the next round tries again")
            await asyncio.sleep(PAUSE_SECONDS)

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
