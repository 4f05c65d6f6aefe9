"""The path of a poll and a cancel: authenticate → own → forward → settle if it ended."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.domain.errors import Code, Refused
from gateway.domain.money import format_usd
from gateway.domain.reservation import How, Reservation
from gateway.ledger.store import LedgerUnavailable
from gateway.policy import Principal
from gateway.server.exchange import Exchange, encode_headers
from gateway.server.outcome import OPERATORS_AFFAIR, unavailable
from gateway.server.parts import Parts
from gateway.server.refusals import not_found
from gateway.upstream.answers import point_urls, read_prediction
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown
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

    async def poll(self, exchange: Exchange, prediction: str) -> None:
        """Pass upstream's answer on; the first one that shows the end settles before it is answered."""
        principal, reservation = await self._own(exchange, prediction)
        upstream = self._parts.account_of(principal).upstream
        answer = await _persist(
            lambda: upstream.poll(prediction, reservation.upstream_key, exchange.headers, exchange.request_id)
        )
        headers = returned(answer.headers)
        if answer.status == 200:
            cost = await self._settle(principal, reservation, prediction, answer)
            if cost is not None:
                headers += encode_headers({"X-Gateway-Cost-USD": format_usd(cost)})
        body = point_urls(answer.body, exchange.base_url(self._parts.addresses.public_url))
        await exchange.answer(answer.status, headers, body)

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
        _refuse_operators_affair(answer)
        await exchange.answer(answer.status, returned(answer.headers), answer.body)

    async def _own(self, exchange: Exchange, prediction: str) -> tuple[Principal, Reservation]:
        """Find the reservation of the tenant's own prediction. Raises Refused; another tenant's is an unknown one."""
        principal = self._parts.authenticate(exchange.scope)
        exchange.note(prediction=prediction[:200])
        reservation = await self._find(principal, prediction)
        if reservation is None or reservation.tenant != principal.tenant.id:
            raise not_found()
        return principal, reservation

    async def _find(self, principal: Principal, prediction: str) -> Reservation | None:
        if not _PREDICTION.fullmatch(prediction):
            return None
        known = self._parts.owners.find(principal.tenant.account.id, prediction)
        if known is not None:
            return known
        # With the ledger away nobody knows whose prediction this is, and it is not forwarded.
        found = await self._parts.account_of(principal).views.by_prediction(prediction)
        if found is not None:
            self._parts.owners.remember(prediction, found)
        return found

    async def _settle(
        self, principal: Principal, reservation: Reservation, prediction: str, answer: Answer
    ) -> int | None:
        """Settle if the answer shows the end; returns the cost, or None while it is open or cannot be recorded."""
        if reservation.cost is not None and reservation.how is not How.ASSUMED:
            return reservation.cost
        reading = read_prediction(answer.body)
        if reading is None or not reading.ended:
            return None
        try:
            cost = await self._parts.account_of(principal).settlement.observe(reservation, reading)
        except LedgerUnavailable as error:
            log.warning("%s ended, but cannot be settled yet: %s", reservation.id, error)
            return None
        if cost is not None and cost == (reading.cost or 0):  # stated, and not assumed: it will not change
            self._parts.owners.remember(prediction, replace(reservation, cost=cost))
        return cost

    async def _look(self, principal: Principal, reservation: Reservation, prediction: str) -> None:
        try:
            answer = await self._parts.account_of(principal).upstream.poll(prediction, reservation.upstream_key)
        except (NotSent, OutcomeUnknown):
            return  # the reconciler looks again
        if answer.status == 200:
            await self._settle(principal, reservation, prediction, answer)


async def _persist(poll: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask, and ask again where upstream fails: a poll costs nothing.

    Raises Refused after three failures, or the first that comes later than RETRY_SECONDS after the first try.
    """
    give_up = time.monotonic() + RETRY_SECONDS
    failure = ""
    for pause in (*PAUSES, None):
        try:
            answer = await poll()
        except (NotSent, OutcomeUnknown) as error:
            failure = str(error)
        else:
            _refuse_operators_affair(answer)
            if answer.status < 500:
                return answer
            failure = f"answered {answer.status}"
        if pause is None or time.monotonic() + pause > give_up:
            break
        await asyncio.sleep(pause)
    raise _upstream_error(failure)


def _refuse_operators_affair(answer: Answer) -> None:
    if answer.status in OPERATORS_AFFAIR:
        log.error("upstream refuses the gateway's own key: answered %d %s", answer.status, answer.body[:200])
        raise unavailable()


def _upstream_error(details: str) -> Refused:
    return Refused(
        Code.UPSTREAM_ERROR,
        "upstream does not answer for this prediction just now; it is not lost, ask again",
        details=details,
        headers={"Retry-After": "2"},
    )
