"""Proof: whether an execution that somebody names is the prediction of a create whose answer is not known."""

from gateway.domain.reservation import Reservation
from gateway.domain.window import MICROSECONDS
from gateway.ledger.requests import SEND_SECONDS
from gateway.ledger.views import Views
from gateway.settlement.doubts import Doubt, could_be
from gateway.settlement.history import History
from gateway.settlement.listing import SLACK_US, Lister
from gateway.upstream.answers import Execution
from gateway.upstream.eachlabs import Eachlabs


class Proof:
    """Asks upstream about one account's executions, and the ledger whether another reservation has them."""

    def __init__(self, views: Views, upstream: Eachlabs, history: History, lister: Lister) -> None:
        self._views = views
        self._history = history
        self._lister = lister
        self._longest_us = int((SEND_SECONDS + upstream.account.create_timeout_seconds) * MICROSECONDS)

    async def of(self, reservation: Reservation, execution: str) -> bool | None:
        """Tell whether an execution is a reservation's own; None where upstream does not tell (yet).

        Its own record of the webhook is the proof: the address in it was given to one create. Where upstream has
        no such record, the execution must be one of the model, begun within the create's time, and of the same input
        if a poll repeats it.
        """
        owner = await self._views.owner(execution)
        if owner is not None:
            return owner == reservation.id
        record = await self._history.of(execution, reservation.upstream_key)
        if record is None:
            return None
        if record.exists:
            return record.reservation == reservation.id
        return await self._fits(reservation, execution) or None

    async def _fits(self, reservation: Reservation, id_: str) -> bool:
        listing = await self._lister.between(reservation.sent_us, reservation.sent_us + self._longest_us)
        if listing is None:
            return False
        sent_us = reservation.sent_us + listing.ahead_us
        span = Doubt(reservation, sent_us - SLACK_US, sent_us + self._longest_us + SLACK_US)
        found = [each for each in listing.executions if each.id == id_ and could_be(span, each)]
        return bool(found) and await self._same_input(reservation, found)

    async def _same_input(self, reservation: Reservation, found: list[Execution]) -> bool:
        digests, own = await self._lister.input_digests(found), reservation.input_digest
        return all(digests.get(each.id, own) == own for each in found)
