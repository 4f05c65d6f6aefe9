"""The inquest: looks through upstream's list of executions for creates whose answer never came."""

import logging
from collections.abc import Sequence

import msgspec

from gateway.domain.reservation import Reservation
from gateway.domain.window import MICROSECONDS
from gateway.ledger.ledger import SEND_SECONDS, Ledger
from gateway.ledger.views import Views
from gateway.settlement.doubts import Doubt, Findings, could_be, resolve
from gateway.settlement.listing import SLACK_US, Lister, Listing
from gateway.settlement.settlement import Settlement
from gateway.upstream.eachlabs import Eachlabs

log = logging.getLogger("gateway.inquest")

#: Two complete listings without a candidate, at least this far apart, prove that nothing ran.
APART_US = 60 * MICROSECONDS


class Inquest:
    """Resolves doubts of one account, by proof only; without any until the horizon, the estimate is charged."""

    def __init__(
        self, ledger: Ledger, views: Views, upstream: Eachlabs, settlement: Settlement, lister: Lister
    ) -> None:
        self._ledger = ledger
        self._views = views
        self._upstream = upstream
        self._settlement = settlement
        self._lister = lister

    async def hold(self, doubts: Sequence[Reservation]) -> None:
        """Look for the doubts in upstream's list; confirm what is found, release what is proved absent."""
        asked = [doubt for doubt in doubts if not await self._expired(doubt)]
        if not asked:
            return
        listing = await self._lister.since(min(doubt.admitted_us for doubt in asked))
        if listing is None:
            return
        findings = await self._resolve(asked, listing)
        for reservation, execution in findings.matches:
            log.warning("%s was found upstream as %s", reservation.id, execution.id)
            await self._settlement.confirm(reservation.id, execution.id, 0, _late_answer(execution.id))
        for reservation in findings.contested:
            log.warning("%s may be one of several executions; it is not assigned yet", reservation.id)
            await self._ledger.absent(reservation.id, seen=True)
        for reservation in findings.absent:
            await self._absent(reservation, listing)

    async def _expired(self, doubt: Reservation) -> bool:
        """Charge a doubt that found no evidence until its horizon at its estimate."""
        age_us = await self._ledger.now_us() - doubt.admitted_us
        if age_us < self._upstream.account.in_doubt_hours * 3600 * MICROSECONDS:
            return False
        log.error("no evidence of %s until the horizon; charged at its estimate", doubt.id)
        await self._settlement.assume(doubt, "in_doubt")
        return True

    async def _resolve(self, asked: Sequence[Reservation], listing: Listing) -> Findings:
        """Find what belongs to the doubts, beside every other doubt that the same executions could belong to.

        Those others may not be due yet; without them an execution of another tenant's would seem to have one owner.
        An execution that is younger than a create in flight may be that create's own: it is assigned to nobody yet,
        but it keeps every doubt that it could belong to from counting as absent.
        """
        spans = [self._span(doubt, listing.ahead_us) for doubt in asked]
        first_in_flight_us = await self._views.oldest_held_us() + listing.ahead_us - SLACK_US
        unclaimed = [
            execution
            for execution in listing.executions
            if any(could_be(span, execution) for span in spans) and await self._views.owner(execution.id) is None
        ]
        # Read last: what is in flight no more since the lines above is a doubt or has its execution by now.
        reach_us = spans[0].until_us - spans[0].from_us
        admitted = [doubt.admitted_us for doubt in asked]
        rivals = await self._views.doubts(min(admitted) - reach_us, max(admitted) + reach_us)
        return resolve(
            [self._span(rival, listing.ahead_us) for rival in rivals],
            [execution for execution in unclaimed if execution.created_us < first_in_flight_us],
            [execution for execution in unclaimed if execution.created_us >= first_in_flight_us],
        ).among({doubt.id for doubt in asked})

    def _span(self, doubt: Reservation, ahead_us: int) -> Doubt:
        """Give the time, by upstream's clock, in which the create can have taken effect."""
        sent_us = doubt.admitted_us + ahead_us
        longest_us = (SEND_SECONDS + int(self._upstream.account.create_timeout_seconds)) * MICROSECONDS
        return Doubt(doubt, sent_us - SLACK_US, sent_us + longest_us + SLACK_US)

    async def _absent(self, reservation: Reservation, listing: Listing) -> None:
        """Release after the second complete listing without a candidate; none counts while one may still come."""
        now_us = await self._ledger.now_us()
        if now_us + listing.ahead_us <= self._span(reservation, listing.ahead_us).until_us:
            return
        if now_us - await self._ledger.absent(reservation.id) >= APART_US:
            log.warning("%s is proved absent upstream; released", reservation.id)
            await self._settlement.release(reservation.id, sent=True, reason="absent upstream")


def _late_answer(prediction: str) -> tuple[int, bytes]:
    """Write the answer that the create would have had, for a client that repeats it by its Idempotency-Key."""
    body = {"status": "success", "message": "Prediction created successfully", "predictionID": prediction}
    return 200, msgspec.json.encode(body)
