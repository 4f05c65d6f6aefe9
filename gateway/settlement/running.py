"""Running: looks at what runs upstream, by one list for all that is due and by polls for what that leaves open."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from gateway.domain.reservation import Reservation
from gateway.domain.window import MICROSECONDS
from gateway.ledger.ledger import Ledger
from gateway.ledger.run_times import RunTimes
from gateway.ledger.sightings import EVERY_SECONDS
from gateway.pricing import Model
from gateway.settlement.listing import Lister
from gateway.settlement.looks import Looks
from gateway.settlement.schedule import seconds_to_look
from gateway.settlement.settlement import Settlement
from gateway.upstream.answers import Execution, Phase, Reading
from gateway.upstream.client import NotSent, OutcomeUnknown
from gateway.upstream.eachlabs import Eachlabs

log = logging.getLogger("gateway.reconciler")

#: Polls that one round makes at the most, and how many at once: the rest is due again soon. After an outage
#: everything is due, and upstream is not to suffer from it.
MOST_POLLS = 16
POLLS_AT_ONCE = 4
#: Read for a single execution that no poll shows.
PAGES_FOR_ONE = 3
_UNKNOWN_THERE = 404
#: A page of the list for so many predictions: one that is not on the last pages is polled.
PREDICTIONS_A_PAGE = 16


class Running:
    """Looks at running predictions of one account, and settles those that ended."""

    def __init__(
        self,
        ledger: Ledger,
        upstream: Eachlabs,
        settlement: Settlement,
        lister: Lister,
        looks: Looks,
        run_times: RunTimes,
        models: Mapping[str, Model],
    ) -> None:
        self._ledger = ledger
        self._upstream = upstream
        self._settlement = settlement
        self._lister = lister
        self._looks = looks
        self._run_times = run_times
        self._models = models
        self._places = asyncio.Semaphore(POLLS_AT_ONCE)

    async def look(self, reservations: Sequence[Reservation]) -> Sequence[BaseException]:
        """Look at all of them, and say when to look again at those that run on; gives what failed."""
        await self._run_times.refresh()
        listed = await self._listed(reservations)
        rest = [each for each in reservations if each.prediction not in listed]
        jobs = [self._settle(each, listed[each.prediction]) for each in reservations if each.prediction in listed]
        jobs += [self._poll(each) for each in rest[:MOST_POLLS]]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        running = [each for each in results if isinstance(each, Reservation)]
        if running:
            now_us = await self._ledger.now_us()
            await self._ledger.postpone({each.id: self._wait_s(each, now_us) for each in running})
        return [each for each in results if isinstance(each, BaseException)]

    async def _listed(self, reservations: Sequence[Reservation]) -> dict[str | None, Execution]:
        """Find in upstream's list what it knows of several that run; a single one is as well polled.

        What is past its time, or ended without a cost, is polled too: only that tells all.
        """
        if len(reservations) < 2:
            return {}
        now_us = await self._ledger.now_us()
        wanted = {r.prediction or "" for r in reservations if not r.finished_us and not self._overdue(r, now_us)}
        if len(wanted) < 2:
            return {}
        found = await self._lister.newest(wanted, -(-len(wanted) // PREDICTIONS_A_PAGE))
        return {each.id: each for each in found if not (each.reading.ended and self._says_little(each.reading))}

    def _says_little(self, reading: Reading) -> bool:
        return reading.phase is Phase.SUCCEEDED and not reading.cost

    async def _settle(self, reservation: Reservation, execution: Execution) -> Reservation | None:
        """Settle what the list shows as ended; gives the reservation back where it runs on."""
        if not execution.reading.ended:
            return reservation
        await self._settlement.observe(reservation, execution.reading)
        return None

    async def _poll(self, reservation: Reservation) -> Reservation | None:
        """Poll a prediction by the key that created it; past its horizon, what still does not end is assumed.

        The poll comes first: after a long outage of the gateway everything is past its horizon, and upstream knows.
        """
        settled, runs_on = None, False
        try:
            async with self._places:
                age_s, look = await self._looks.at(reservation, reservation.prediction or "")
        except (NotSent, OutcomeUnknown) as error:
            log.info("poll of %s failed: %s", reservation.id, error)
        else:
            runs_on = look.reading is not None and not look.reading.ended
            if look.final and age_s >= EVERY_SECONDS and look.reading:
                # The ledger has it running all the same: a failover has lost the end that this worker saw.
                await self._settlement.observe(reservation, look.reading)
            reading = look.reading if look.status != _UNKNOWN_THERE else await self._listed_alone(reservation)
            settled = look.cost if look.cost is not None else await self._costless(reservation, reading)
        if settled is None and await self._past_horizon(reservation):
            log.error("%s never ended upstream; charged at its estimate", reservation.id)
            await self._settlement.assume(reservation, reservation.status or "unknown")
        return reservation if runs_on else None

    async def _listed_alone(self, reservation: Reservation) -> Reading | None:
        """Ask the list for what no poll shows: an execution need not be a prediction."""
        found = await self._lister.newest({reservation.prediction or ""}, PAGES_FOR_ONE)
        return found[0].reading if found else None

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

    def _wait_s(self, reservation: Reservation, now_us: int) -> float:
        model = self._models.get(reservation.model) or Model(slug=reservation.model)
        elapsed_s = (now_us - (reservation.confirmed_us or reservation.admitted_us)) / MICROSECONDS
        return seconds_to_look(self._run_times.of(model.slug), model.usual_run_seconds, elapsed_s, now_us)

    def _overdue(self, reservation: Reservation, now_us: int) -> bool:
        model = self._models.get(reservation.model)
        longest_s = model.max_run_seconds if model else 0
        return now_us - reservation.admitted_us > longest_s * MICROSECONDS

    async def _past_horizon(self, reservation: Reservation) -> bool:
        age_s = (await self._ledger.now_us() - reservation.admitted_us) / MICROSECONDS
        model = self._models.get(reservation.model)
        run_s = model.max_run_seconds if model else 0
        return age_s > self._upstream.account.in_doubt_hours * 3600 + run_s
