"""Upkeep: what an account's part of the store needs now and then, done by any worker in small steps."""

import logging
from collections.abc import Mapping
from typing import Any

from gateway.domain.window import MICROSECONDS
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.postings import account_prefix
from gateway.ledger.rounds import Rounds
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store
from gateway.ledger.trimming import Trimmer

log = logging.getLogger("gateway.upkeep")

#: How long an ended reservation is kept.
KEEP_SECONDS = 30 * 86400
PAUSE_SECONDS = 10.0
#: How often one of all workers prunes the checkpoint and trims the journal.
CHORES_US = 3600 * MICROSECONDS
#: Ended reservations that are taken away in one step of the store, some milliseconds long.
SWEEP = 200


class Upkeep(Rounds):
    """Keeps one account's part of the store small. All of it may be repeated, and done by several at once.

    `journal_days` is how long the journal keeps its entries; None is for ever.
    """

    def __init__(
        self, store: Store, scripts: Mapping[str, Script], account: str, journal_days: int | None = None
    ) -> None:
        super().__init__(log, PAUSE_SECONDS)
        self._store = store
        self._scripts = scripts
        self._account = account
        self._prefix = account_prefix(account)
        self._journal_days = journal_days
        self._checkpoint = Checkpoint(store, scripts, account)
        self._trimmer = Trimmer(store, scripts, account)

    async def round(self) -> bool:
        """Do all that is to be done."""
        await self.sweep()
        await self._checkpoint.roll()
        await self.chores()
        return False

    async def sweep(self) -> int:
        """Take away all ended reservations that are older than KEEP_SECONDS; returns how many those were."""
        swept = 0
        while True:
            _, _, found = await self._step("sweep", {"keep_s": KEEP_SECONDS, "most": SWEEP})
            swept += int(found)
            if found < SWEEP:
                return swept

    async def chores(self) -> None:
        """Where it is this worker's turn, prune the checkpoint, and drop what is past the journal's retention."""
        what, now_us = await self._step("turn", {"every_us": CHORES_US})
        if what != b"yours":
            return
        await self._checkpoint.prune(int(now_us))
        if self._journal_days is None:
            return
        trimmed = await self._trimmer.drop_old(self._journal_days * 86400 * MICROSECONDS)
        for fault in trimmed.faults:
            log.error("%s is not trimmed: %s; run gateway ledger verify", self._account, fault)
        if trimmed.dropped:
            log.info("%s: %d entries of the journal were dropped", self._account, trimmed.dropped)

    async def _step(self, verb: str, request: object) -> list[Any]:
        return await self._store.run(self._scripts[verb], self._prefix, request)
