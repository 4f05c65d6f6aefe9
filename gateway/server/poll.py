"""The path of a poll and a cancel: authenticate → own → forward → settle if it ended."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable

from gateway.domain.errors import Code, Refused
from gateway.domain.reservation import Reservation
from gateway.ledger.sightings import EVERY_SECONDS
from gateway.policy import Principal
from gateway.server.exchange import Exchange, RequestHead, hang_up, preferred_wait
from gateway.server.outcome import OPERATORS_AFFAIR, unavailable
from gateway.server.parts import Parts
from gateway.server.refusals import not_found
from gateway.server.reply import Reply
from gateway.server.wording import Wording
from gateway.settlement.looks import Look, Looks
from gateway.upstream.client import NotSent, OutcomeUnknown
from gateway.upstream.headers import returned

log = logging.getLogger("gateway.poll")

#: Pauses before a poll that upstream failed at is tried again; all tries together take about two seconds.
PAUSES = (0.2, 0.6)
RETRY_SECONDS = 2.0
_PREDICTION = re.compile(r"[A-Za-z0-9._~-]{1,200}")


class Polls:
    """Answers GET `/v1/prediction/{id}` and POST `/v1/prediction/{id}/cancel`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._wording = Wording(parts.addresses.public_url)

    def at_once(self, head: RequestHead, prediction: str) -> Reply | Awaitable[Reply] | None:
        """Give what `poll` answers, or what will be its answer where upstream has to be asked.

        None where the ledger has to be asked, or the client wants to wait for a change. Raises Refused.
        """
        principal = self._authenticated(head, prediction)
        known = self._known(principal, prediction)
        if known is None or head.header(b"prefer") is not None:
            return None
        _owned(principal, known)
        looks = self._parts.account_of(principal).looks
        seen = looks.kept(prediction)
        if seen is None:
            return self._looked(head, looks, known, prediction)
        return self._wording.of(head, prediction, seen)

    async def _looked(self, head: RequestHead, looks: Looks, reservation: Reservation, prediction: str) -> Reply:
        return self._wording.of(head, prediction, await _persist(lambda: looks.at(reservation, prediction)))

    async def poll(self, exchange: Exchange, prediction: str) -> None:
        """Pass on what upstream says, at most a second old; a client may ask to wait until it says something else."""
        principal, reservation = await self._own(exchange, prediction)
        looks = self._parts.account_of(principal).looks
        seen = await _persist(lambda: looks.at(reservation, prediction))
        wait_s = preferred_wait(exchange.header(b"prefer"))
        applied = []
        if wait_s is not None:
            applied = [(b"preference-applied", f"wait={wait_s}".encode())]
            seen = await self._changed(exchange, looks, (reservation, prediction), seen, wait_s)
        reply = self._wording.of(exchange, prediction, seen)
        await exchange.answer(reply.status, applied + reply.headers, reply.body)

    async def _changed(
        self, exchange: Exchange, looks: Looks, whose: tuple[Reservation, str], seen: tuple[float, Look], wait_s: int
    ) -> tuple[float, Look]:
        """Look again, once a second, until the status is another, the prediction has ended, or the time is over."""
        give_up = time.monotonic() + wait_s
        first = seen[1].reading
        async with hang_up(exchange) as gone:
            while first and not first.ended and seen[1].reading == first:
                left = give_up - time.monotonic()
                if left <= 0 or await gone(min(left, EVERY_SECONDS)):
                    break
                seen = await _persist(lambda: looks.at(*whose))
        return seen

    async def cancel(self, exchange: Exchange, prediction: str) -> None:
        """Pass a cancel on, once, and look at the prediction soon after: no webhook tells of its end."""
        principal, reservation = await self._own(exchange, prediction)
        body, upstream = await exchange.body(), self._parts.account_of(principal).upstream
        try:
            answer = await upstream.cancel(
                prediction, body, reservation.upstream_key, exchange.headers, exchange.request_id
            )
        except (NotSent, OutcomeUnknown) as error:
            raise _upstream_error(str(error)) from error
        self._parts.recorder.keep(self._look(principal, reservation, prediction))
        _refuse_operators_affair(answer.status, answer.body)
        await exchange.answer(answer.status, returned(answer.headers), answer.body)

    async def _own(self, exchange: Exchange, prediction: str) -> tuple[Principal, Reservation]:
        """Find the reservation of the tenant's own prediction. Raises Refused; another tenant's is an unknown one."""
        principal = self._authenticated(exchange, prediction)
        known = self._known(principal, prediction) or await self._recorded(principal, prediction)
        return principal, _owned(principal, known)

    def _authenticated(self, head: RequestHead, prediction: str) -> Principal:
        principal = self._parts.authenticate(head.scope)
        head.note(prediction=prediction[:200])
        if not _PREDICTION.fullmatch(prediction):
            raise not_found()
        return principal

    def _known(self, principal: Principal, prediction: str) -> Reservation | None:
        return self._parts.owners.find(principal.tenant.account.id, prediction)

    async def _recorded(self, principal: Principal, prediction: str) -> Reservation | None:
        """Ask the ledger; with it away nobody knows whose prediction this is, and it is not forwarded."""
        found = await self._parts.account_of(principal).views.by_prediction(prediction)
        if found is not None:
            self._parts.owners.remember(prediction, found)
        return found

    async def _look(self, principal: Principal, reservation: Reservation, prediction: str) -> None:
        try:
            await self._parts.account_of(principal).looks.now(reservation, prediction)
        except (NotSent, OutcomeUnknown):
            return  # the reconciler looks again


def _owned(principal: Principal, reservation: Reservation | None) -> Reservation:
    """Give the reservation if it is the tenant's own. Raises Refused."""
    if reservation is None or reservation.tenant != principal.tenant.id:
        raise not_found()
    return reservation


async def _persist(poll: Callable[[], Awaitable[tuple[float, Look]]]) -> tuple[float, Look]:
    """Ask, and ask again where upstream fails: a poll costs nothing.

    Raises Refused after three failures, or the first that comes later than RETRY_SECONDS after the first try.
    """
    give_up = time.monotonic() + RETRY_SECONDS
    failure = ""
    for pause in (*PAUSES, None):
        try:
            age_s, look = await poll()
        except (NotSent, OutcomeUnknown) as error:
            failure = str(error)
        else:
            _refuse_operators_affair(look.status, look.body)
            if look.status < 500:
                return age_s, look
            failure = f"answered {look.status}"
        if pause is None or time.monotonic() + pause > give_up:
            break
        await asyncio.sleep(pause)
    raise _upstream_error(failure)


def _refuse_operators_affair(status: int, body: bytes) -> None:
    if status in OPERATORS_AFFAIR:
        log.error("upstream refuses the gateway's own key: answered %d %s", status, body[:200])
        raise unavailable()


def _upstream_error(details: str) -> Refused:
    return Refused(
        Code.UPSTREAM_ERROR,
        "upstream does not answer for this prediction just now; it is not lost, ask again",
        details=details,
        headers={"Retry-After": "2"},
    )
