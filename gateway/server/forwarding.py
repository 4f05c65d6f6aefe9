"""Forwarding: a request of a paid route goes upstream, once, and its answer to the client while it arrives."""

import asyncio
import logging
from typing import NamedTuple

from starlette.types import Send

from gateway.admission.admission import Ticket
from gateway.admission.asking import Asked
from gateway.server.exchange import Exchange, encode_headers
from gateway.server.passing import Passage
from gateway.server.tickets import ticket_headers
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown
from gateway.upstream.eachlabs import Eachlabs

log = logging.getLogger("gateway.create")


class Sent(NamedTuple):
    """What came of a request that was sent, and the answer as far as it was passed on."""

    result: Answer | NotSent | OutcomeUnknown
    passage: Passage


class Forwarding:
    """Sends one request; upstream may take `answer_s` seconds for the whole answer."""

    def __init__(self, upstream: Eachlabs, exchange: Exchange, asked: Asked, send: Send, answer_s: float) -> None:
        self._upstream = upstream
        self._exchange = exchange
        self._asked = asked
        self._send = send
        self._answer_s = answer_s

    async def forward(self, ticket: Ticket) -> Sent:
        """Send it, once, and pass the answer on; a stream's client that hangs up ends it."""
        asked = self._asked
        head = encode_headers(ticket_headers(ticket))
        passage = Passage(self._send, head, streamed=asked.streamed, hidden=asked.hidden)
        passing = asyncio.ensure_future(self._pass(ticket, passage))
        gone = asyncio.ensure_future(self._exchange.hung_up())
        try:
            if asked.streamed:
                await asyncio.wait((passing, gone), return_when=asyncio.FIRST_COMPLETED)
                if not passing.done():
                    passing.cancel("the client hung up")
            await asyncio.wait((passing,))
        finally:
            gone.cancel()
        return Sent(_result(passing), passage)

    async def _pass(self, ticket: Ticket, passage: Passage) -> Answer:
        """Send, and pass the answer on. Raises NotSent or OutcomeUnknown."""
        asked, exchange = self._asked, self._exchange
        async with self._upstream.open(
            asked.body.route.value,
            exchange.target,
            asked.sent,
            asked.content_type,
            exchange.headers,
            ticket.upstream_key,
            exchange.request_id,
            ticket.send_by,
            self._answer_s,
        ) as answer:
            return await passage.take(answer)


def _result(passing: "asyncio.Task[Answer]") -> Answer | NotSent | OutcomeUnknown:
    """Give what a request came to; whatever broke may have broken after a byte left."""
    if passing.cancelled():
        return OutcomeUnknown("the client hung up")
    error = passing.exception()
    if error is None:
        return passing.result()
    if isinstance(error, NotSent | OutcomeUnknown):
        return error
    log.error("a request failed in the client", exc_info=error)
    return OutcomeUnknown(f"{type(error).__name__}: {error}")
