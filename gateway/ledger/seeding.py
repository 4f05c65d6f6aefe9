"""Seeding: counters of a set of postings that are behind are brought up from checkpoint and journal."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.postings import Postings, Snapshot
from gateway.ledger.requests import seed_request

Run = Callable[[str, object], Awaitable[list[Any]]]


class Seeding:
    """Brings counters up for one account's ledger; `run` runs a verb. Raises LedgerUnavailable."""

    def __init__(self, checkpoint: Checkpoint, run: Run) -> None:
        self._checkpoint = checkpoint
        self._run = run
        self._under_way: dict[str, asyncio.Lock] = {}

    async def once(self, postings: Postings, snapshot: Snapshot) -> None:
        """Bring counters up, or wait until the one who does so has: a crowd would have the store do it for each."""
        lock = self._under_way.setdefault(postings.id, asyncio.Lock())
        first = not lock.locked()
        async with lock:
            if first:
                await self._seed(postings, snapshot)
        if not lock.locked():
            self._under_way.pop(postings.id, None)

    async def _seed(self, postings: Postings, snapshot: Snapshot) -> None:
        """Bring counters up that are behind, step by step; the caller bounds how long."""
        request = seed_request(postings, snapshot)
        while (reply := await self._run("seed", request))[0] in (b"unrolled", b"more"):
            if reply[0] == b"more":
                request["live_from"] = int(reply[1])
            else:
                await self._checkpoint.roll()
