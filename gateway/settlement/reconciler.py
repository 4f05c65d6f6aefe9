"""The reconciler: looks at every open reservation that is due, so that what nobody polls is settled all the same.

Every worker runs one for each account. They share the work by claims: whoever claims a reservation acts on it, and
every action may be repeated, so there is no leader and nothing is lost with a worker.
"""

import asyncio
import logging
from collections.abc import Sequence

from gateway.domain.reservation import Reservation, State
from gateway.ledger.ledger import Ledger
from gateway.ledger.rounds import Rounds
from gateway.ledger.store import LedgerUnavailable
from gateway.settlement.inquest import Inquest
from gateway.settlement.running import Running
from gateway.settlement.schedule import LONGEST_SECONDS, TICK_SECONDS
from gateway.settlement.settlement import Settlement

log = logging.getLogger("gateway.reconciler")

PAUSE_SECONDS = 0.5
#: Of what is due, so much is taken a round.
MOST_AT_ONCE = 256
#: What is claimed is due again after this, doubling, where the worker that claimed it says nothing else.
FIRST_SECONDS = 1.0
AGAIN_SECONDS = 8.0
DOUBT_SECONDS = 60.0
#: What runs and would be due this soon is looked at along with what is due: one list of upstream's tells of all.
AHEAD_SECONDS = LONGEST_SECONDS + TICK_SECONDS


class Reconciler(Rounds):
    """Looks at what is due in one account's ledger, acts, and looks again."""

    def __init__(self, ledger: Ledger, settlement: Settlement, inquest: Inquest, running: Running) -> None:
        super().__init__(log, PAUSE_SECONDS)
        self._ledger = ledger
        self._settlement = settlement
        self._inquest = inquest
        self._running = running

    async def round(self) -> bool:
        """Act on what is due, as much as is taken at once."""
        await self._act(
            await self._ledger.claim(MOST_AT_ONCE, FIRST_SECONDS, AGAIN_SECONDS, DOUBT_SECONDS, AHEAD_SECONDS)
        )
        return False  # a pause lies between any two rounds, so that what an outage left is worked off calmly

    async def _act(self, due: Sequence[Reservation]) -> None:
        """Do what each state asks for; one that fails is due again, and does not keep the others from theirs."""
        jobs = [self._bury(each) for each in due if each.state is State.HELD]
        if any(each.state is State.IN_DOUBT for each in due):
            jobs.append(self._inquest.hold())
        running = [each for each in due if each.state is State.RUNNING]
        failed, *results = await asyncio.gather(self._running.look(running), *jobs, return_exceptions=True)
        for result in (*(failed if isinstance(failed, list) else [failed]), *results):
            if isinstance(result, LedgerUnavailable):
                log.warning("the ledger does not answer: %s", result)
            elif isinstance(result, BaseException):
                log.error("the reconciler failed at one reservation", exc_info=result)

    async def _bury(self, reservation: Reservation) -> None:
        """Turn a stale hold into a doubt: its worker died, and may have sent it before."""
        log.warning("%s has lost its worker; its outcome is looked for", reservation.id)
        await self._settlement.doubt(reservation.id, "its worker died", 0)
