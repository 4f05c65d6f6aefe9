"""Rounds: what a worker does again and again beside the requests, until it is stopped."""

import asyncio
import logging
from abc import ABC, abstractmethod

from gateway.ledger.store import LedgerUnavailable


class Rounds(ABC):
    """Goes round and round; no failure of the store, nor a fault in a round, ends it: the next one tries again.

    `pause_s` lies between two rounds, in seconds; what goes wrong is told in `log`.
    """

    def __init__(self, log: logging.Logger, pause_s: float) -> None:
        self._log = log
        self._pause_s = pause_s
        self._stopping = False

    def stop(self) -> None:
        """Let the round that runs come to its end, and begin no other."""
        self._stopping = True

    async def run(self) -> None:
        """Go round until stopped."""
        while not self._stopping:
            if not await self._try():
                await asyncio.sleep(self._pause_s)

    async def _try(self) -> bool:
        try:
            return await self.round()
        except LedgerUnavailable as error:
            self._log.warning("the ledger does not answer: %s", error)
        except Exception:  # noqa: BLE001 (it is told with its trace)
            self._log.exception("a round failed; the next one tries again")
        return False

    @abstractmethod
    async def round(self) -> bool:
        """Do what there is to do; returns whether there is more, so that no pause is due. May be cut and repeated."""
