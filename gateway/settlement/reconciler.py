"""The reconciler: looks at every open reservation that is due, so that what nobody polls is settled all the same.

Every worker runs one for each account. They share the work by claims: whoever claims a reservation acts on it, and
every action may be repeated, so there is no leader and nothing is lost with a worker.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from gateway.domain.reservation import Reservation, State
from gateway.domain.window import MICROSECONDS
from gateway.ledger.ledger import Ledger
from gateway.ledger.rounds import Rounds
from gateway.ledger.sightings import EVERY_SECONDS
from gateway.ledger.store import LedgerUnavailable
from gateway.pricing import Model
from gateway.settlement.inquest import Inquest
from gateway.settlement.listing import Lister
from gateway.settlement.looks import Looks
from gateway.settlement.settlement import Settlement
from gateway.upstream.answers import Phase, Reading
from gateway.upstream.client import NotSent, OutcomeUnknown
from gateway.upstream.eachlabs import Eachlabs

log = logging.getLogger("gateway.reconciler")

PAUSE_SECONDS = 0.5
MOST_AT_ONCE = 32
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 8.0  # so that an end that nobody polls is settled within 10 s
DOUBT_SECONDS = 60.0


class Reconciler(Rounds):
    """Looks at what is due in one account's ledger, acts, and looks again."""

    def __init__(
        self,
        ledger: Ledger,
        upstream: Eachlabs,
        settlement: Settlement,
        inquest: Inquest,
        lister: Lister,
        looks: Looks,
        models: Mapping[str, Model],
    ) -> None:
        super().__init__(log, PAUSE_SECONDS)
        self._ledger = ledger
        self._upstream = upstream
        self._settlement = settlement
        self._inquest = inquest
        self._lister = lister
        self._looks = looks
        self._models = models

    async def round(self) -> bool:
        """Act on what is due, as much as is taken at once."""
        due = await self._ledger.claim(MOST_AT_ONCE, FIRST_SECONDS, LONGEST_SECONDS, DOUBT_SECONDS)
        await self._act(due)
        return len(due) == MOST_AT_ONCE

    async def _act(self, due: Sequence[Reservation]) -> None:
        """Do what each state asks for; one that fails is due again, and does not keep the others from theirs."""
        jobs = [self._look(each) for each in due if each.state is State.RUNNING]
        jobs += [self._bury(each) for each in due if each.state is State.HELD]
        if any(each.state is State.IN_DOUBT for each in due):
            jobs.append(self._inquest.hold())
        for result in await asyncio.gather(*jobs, return_exceptions=True):
            if isinstance(result, LedgerUnavailable):
                log.warning("the ledger does not answer: %s", result)
            elif isinstance(result, BaseException):
                log.error("the reconciler failed at one reservation", exc_info=result)

    async def _bury(self, reservation: Reservation) -> None:
        """Turn a stale hold into a doubt: its worker died, and may have sent it before."""
        log.warning("%s has lost its worker; its outcome is looked for", reservation.id)
        await self._settlement.doubt(reservation.id, "its worker died", 0)

    async def _look(self, reservation: Reservation) -> None:
        """Poll a running prediction by the key that created it; past its horizon, what still does not end is assumed.

        The poll comes first: after a long outage of the gateway everything is past its horizon, and upstream knows.
        """
        settled = None
        try:
            age_s, look = await self._looks.at(reservation, reservation.prediction or "")
        except (NotSent, OutcomeUnknown) as error:
            log.info("poll of %s failed: %s", reservation.id, error)
        else:
            if look.final and age_s >= EVERY_SECONDS and look.reading:
                # The ledger has it running all the same: a failover has lost the end that this worker saw.
                await self._settlement.observe(reservation, look.reading)
            settled = look.cost if look.cost is not None else await self._costless(reservation, look.reading)
        if settled is None and await self._past_horizon(reservation):
            log.error("%s never ended upstream; charged at its estimate", reservation.id)
            await self._settlement.assume(reservation, reservation.status or "unknown")

    async def _costless(self, reservation: Reservation, reading: Reading | None) -> int | None:
        """Ask the list of executions where a success tells no cost: upstream states it there too; else assume it, in
        time."""
        if reading is None or not reading.ended:
            return None
        unsaid = reading.phase is Phase.SUCCEEDED and not reading.cost and reservation.estimate > 0
        listed = await self._lister.reading_of(reservation) if unsaid else None
        if listed is not None and listed.ended and listed.cost:
            reading = listed
        return await self._settlement.observe(reservation, reading, may_assume=True)

    async def _past_horizon(self, reservation: Reservation) -> bool:
        age_s = (await self._ledger.now_us() - reservation.admitted_us) / MICROSECONDS
        model = self._models.get(reservation.model)
        run_s = model.max_run_seconds if model else 0
        return age_s > self._upstream.account.in_doubt_hours * 3600 + run_s
