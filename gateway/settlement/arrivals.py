"""Arrivals: what a call of our own address means. It is a hint of an end, and a proof of whose a prediction is.

The address proves that its bearer was told of the reservation, and nothing about the body: that any bearer can write.
So an execution that the body names is bound only where upstream itself connects it with the reservation, money moves
only by what a poll says, and a tenant is sent the body only as far as the poll agrees with it.
"""

import logging
from enum import StrEnum

from gateway.domain.reservation import How, Reservation, State
from gateway.ledger.outbox import Outbox
from gateway.ledger.views import Views
from gateway.settlement.proof import Proof
from gateway.settlement.settlement import Settlement
from gateway.upstream.answers import Phase, read_prediction
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown
from gateway.upstream.eachlabs import Eachlabs
from gateway.upstream.webhooks import Told, agrees, read_webhook, write_webhook

log = logging.getLogger("gateway.arrivals")


class Arrival(StrEnum):
    """What became of a call; the label of `gateway_webhooks_received_total`."""

    SETTLED = "settled"  # the end is recorded
    KNOWN = "known"  # it was before: a repeat
    EARLY = "early"  # upstream does not confirm it yet, or does not answer: it may come again
    FOREIGN = "foreign"  # the body is about another prediction, or about none
    UNKNOWN = "unknown"  # nothing is kept of the reservation
    FORGED = "forged"  # no gateway with this secret made the address


class Arrivals:
    """Takes the calls for one account's reservations. May raise LedgerUnavailable; a repeat changes nothing."""

    def __init__(
        self, views: Views, upstream: Eachlabs, settlement: Settlement, outbox: Outbox, proof: Proof
    ) -> None:
        self._views = views
        self._upstream = upstream
        self._settlement = settlement
        self._outbox = outbox
        self._proof = proof

    async def arrive(self, id_: str, body: bytes) -> Arrival:
        """Take the body that was sent to the address of a reservation; what it led to is durable on return."""
        reservation = await self._views.reservation(id_)
        if reservation is None:
            return Arrival.UNKNOWN
        told = read_webhook(body)
        if told is None or told.prediction != (reservation.prediction or told.prediction):
            return Arrival.FOREIGN
        if await self._over(reservation):
            return Arrival.KNOWN
        if reservation.prediction is None:
            refused = await self._bind(reservation, told.prediction)
            if refused is not None:
                return refused
        return await self._end(reservation, told, body)

    async def _over(self, reservation: Reservation) -> bool:
        """Tell whether nothing can come of a call any more: the end is known, and whoever waits for it has it."""
        open_ = reservation.ended_us is None or reservation.how in (How.ASSUMED, How.RELEASED)
        return not open_ and not await self._outbox.waits(reservation.id)

    async def _bind(self, reservation: Reservation, prediction: str) -> Arrival | None:
        """Give a prediction to a create whose answer is not recorded; returns why not, if it cannot."""
        proved = await self._proof.of(reservation, prediction)
        if proved is None:
            return Arrival.EARLY
        if not proved or await self._settlement.found(reservation.id, prediction) is None:
            log.warning("a call for %s names %s, which is not its own", reservation.id, prediction[:200])
            return Arrival.FOREIGN
        log.warning("%s was found by its webhook as %s", reservation.id, prediction)
        return None

    async def _end(self, reservation: Reservation, told: Told, body: bytes) -> Arrival:
        """Keep what the tenant is to be sent, then settle: after that it lies in the outbox."""
        answer = await self._poll(reservation, told.prediction)
        reading = read_prediction(answer.body) if answer else None
        if answer is None or reading is None or not reading.ended:
            return Arrival.EARLY
        if reading.phase is not Phase.CANCELLED:
            whole = body if agrees(told, answer.body) else write_webhook(told.prediction, answer.body)
            if whole is not None:
                await self._outbox.notice(reservation.id, told.prediction, whole)
        if reservation.state is not State.RELEASED:
            await self._settlement.observe(reservation, reading)
        elif not await self._settlement.charge(reservation, reading):
            return Arrival.EARLY
        return Arrival.SETTLED

    async def _poll(self, reservation: Reservation, prediction: str) -> Answer | None:
        """Ask upstream itself, by the key that created."""
        try:
            answer = await self._upstream.poll(prediction, reservation.upstream_key)
        except (NotSent, OutcomeUnknown) as error:
            log.info("poll of %s failed: %s", reservation.id, error)
            return None
        return answer if answer.status == 200 else None
