"""The paid routes beside the create: chat, speech and workflows, on the same path: authenticate → read → price →
reserve → forward → settle. An answer is passed on while it arrives."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.routing import Route as Path
from starlette.types import Receive, Scope, Send

from gateway.admission.admission import Ticket
from gateway.admission.asking import Asked, read_chat, read_speech, read_trigger
from gateway.admission.price import price
from gateway.admission.shadow import shadow_refusals
from gateway.domain.digest import digest_input
from gateway.domain.errors import Code, Refused
from gateway.domain.money import format_usd
from gateway.ledger.decisions import Answered
from gateway.ledger.enactment import PolicyBehind
from gateway.ledger.store import LedgerUnavailable
from gateway.policy import Principal
from gateway.pricing import Model, Quote, Route
from gateway.server.exchange import Exchange, encode_headers
from gateway.server.noted import note_refusal
from gateway.server.outcome import Kind, judge
from gateway.server.parts import Parts
from gateway.server.passing import Passage
from gateway.server.poll import Polls
from gateway.server.refusals import as_refusal
from gateway.server.tickets import repeat_headers, ticket_headers
from gateway.server.upshot import Upshot
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown
from gateway.upstream.headers import Headers, returned

log = logging.getLogger("gateway.create")

#: By this header upstream would answer elsewhere, and tell the usage to nobody here.
_ELSEWHERE = b"x-eachlabs-webhook-url"
#: The openai clients send a request again by themselves, unless they are told not to.
_NOT_AGAIN = {"x-should-retry": "false"}


class PaidRoutes:
    """Gives the routes, each answered by a `Paid`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Path]:
        """Give the routes for starlette's router."""
        trigger = "/v1/workflows/trigger/{workflow}/{version}"
        execution = "/v1/workflows/executions/{execution}"
        return [
            Path("/v1/chat/completions", Paid(self._parts, read_chat), methods=["POST"], name="chat"),
            Path("/v1/audio/speech", Paid(self._parts, read_speech), methods=["POST"], name="speech"),
            Path(execution, _Execution(self._parts), methods=["GET"], name="workflow_execution"),
            Path(trigger, Paid(self._parts, read_trigger), methods=["POST"], name="workflow"),
        ]


class _Execution:
    """Answers GET `/v1/workflows/executions/{execution}` as a poll is answered."""

    def __init__(self, parts: Parts) -> None:
        self._polls = Polls(parts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._polls.poll(Exchange(scope, receive, send), scope["path_params"]["execution"])


class Paid:
    """Answers one route; `read` reads its body and the parameters of its path."""

    def __init__(self, parts: Parts, read: Callable[[bytes, Mapping[str, str]], Asked]) -> None:
        self._parts = parts
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        principal = self._parts.authenticate(scope)
        try:
            asked = self._read(await exchange.body(), scope["path_params"])
            exchange.note(model=asked.body.model)
            if exchange.header(_ELSEWHERE):
                raise Refused(Code.INVALID_INPUT, f"{_ELSEWHERE.decode()} cannot be used here; leave it out")
            # From here on a worker that is asked to stop changes nothing, nor a client that hangs up, unless it reads
            # a stream: then nobody wants the rest.
            call = _Call(self._parts, exchange, principal, asked, send)
            whole = await asyncio.shield(self._parts.recorder.keep(call.carry()))
        except (Refused, LedgerUnavailable, PolicyBehind) as error:
            if isinstance(error, PolicyBehind) and not exchange.last:  # it begins anew, by the policy in force
                raise
            code = as_refusal(error).code.value
            self._parts.telemetry.admissions.labels(principal.tenant.id, code).inc()
            raise
        if not whole:  # the server cuts what has begun, and the client sees that it is not whole
            raise Refused(Code.UPSTREAM_ERROR, "upstream's answer was cut")


class _Sending(NamedTuple):
    """What came of a request that was sent, and the answer as far as it was passed on."""

    result: Answer | NotSent | OutcomeUnknown
    passage: Passage


class _Call:
    """One request on its way."""

    def __init__(self, parts: Parts, exchange: Exchange, principal: Principal, asked: Asked, send: Send) -> None:
        self._parts = parts
        self._exchange = exchange
        self._principal = principal
        self._asked = asked
        self._send = send
        self._account = parts.account_of(principal)
        self._key = exchange.header(b"idempotency-key")
        self._model = parts.policy.models.get(asked.body.model) or Model(slug="unknown")
        # A trigger is answered at once; everything else is answered by the run itself.
        trigger = asked.body.route is Route.WORKFLOW
        self._answer_s = (
            principal.tenant.account.create_timeout_seconds if trigger else float(self._model.max_run_seconds)
        )

    async def carry(self) -> bool:
        """Price, reserve, forward and settle; returns whether the answer is whole.

        Raises Refused, LedgerUnavailable or PolicyBehind while nothing is answered.
        """
        try:
            ticket = await self._reserve(price(self._parts.policy, self._principal.tenant, self._asked.body))
        except Refused as refused:
            await note_refusal(self._account, self._parts.policy, self._principal, self._asked.body, refused)
            raise
        if isinstance(ticket, Answered):
            await self._exchange.answer(ticket.status, self._repeat_headers(ticket), ticket.body)
            return True
        self._exchange.note(reservation=ticket.reservation, hold_usd=format_usd(ticket.quote.hold))
        result, passage = await self._forward(ticket)
        upshot = Upshot(self._parts, self._principal, self._asked, ticket, self._model, keep=bool(self._key))
        if isinstance(result, Answer) and 200 <= result.status < 300:
            return await self._succeed(result, passage, upshot, ticket)
        if passage.begun:  # cut in the middle: what it cost is found out, from its execution where that was named
            assert isinstance(result, OutcomeUnknown | NotSent)  # noqa: S101 (only a 2xx is passed on)
            self._exchange.note(upstream=f"cut: {result}")
            self._admitted()
            await upshot.cut(passage.execution, str(result))
            return False
        return await self._fail(result, upshot, ticket)

    async def _reserve(self, quote: Quote) -> Ticket | Answered:
        """Hold the money of a quote. Raises Refused, LedgerUnavailable or PolicyBehind."""
        policy, tenant, body = self._parts.policy, self._principal.tenant, self._asked.body
        return await self._parts.admission.reserve(
            self._principal,
            quote,
            slot_s=max(self._model.max_run_seconds, self._answer_s),
            answer_s=self._answer_s,
            input_digest=digest_input(self._asked.input),
            shadows=shadow_refusals(policy, tenant, body, quote),
            idempotency=self._idempotency(),
            hung_up=self._exchange.hung_up,
        )

    def _idempotency(self) -> tuple[str, str] | None:
        if not self._key:
            return None
        fingerprint = hashlib.sha256(self._target().encode() + b"\n" + self._asked.body.raw).hexdigest()
        return hashlib.sha256(self._key).hexdigest(), fingerprint

    def _target(self) -> str:
        """Give path and query; the path has only characters that stand for themselves."""
        query = self._exchange.scope["query_string"].decode("latin-1")
        return self._exchange.path + (f"?{query}" if query else "")

    async def _forward(self, ticket: Ticket) -> _Sending:
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
        return _Sending(_result(passing), passage)

    async def _pass(self, ticket: Ticket, passage: Passage) -> Answer:
        """Send, and pass the answer on. Raises NotSent or OutcomeUnknown."""
        asked, exchange = self._asked, self._exchange
        async with self._account.upstream.open(
            asked.body.route.value,
            self._target(),
            asked.sent,
            exchange.headers,
            ticket.upstream_key,
            exchange.request_id,
            ticket.send_by,
            self._answer_s,
        ) as answer:
            return await passage.take(answer)

    async def _succeed(self, answer: Answer, passage: Passage, upshot: Upshot, ticket: Ticket) -> bool:
        """Record what ran, settle it if its cost is known, and end the answer."""
        if self._asked.body.route is Route.WORKFLOW:
            outcome = judge(answer, ticket.reservation)
            self._exchange.note(upstream=outcome.reason, prediction=outcome.prediction)
            if outcome.prediction is None:
                return await self._fail(answer, upshot, ticket)
            await upshot.runs(outcome.prediction, answer)
            cost = None
        else:
            self._exchange.note(upstream=f"answered {answer.status}")
            cost = await upshot.settle(passage, answer)
        self._admitted()
        if passage.begun:
            await passage.end()
        else:
            told = {} if cost is None else {"X-Gateway-Cost-USD": format_usd(cost)}
            headers: Headers = returned(answer.headers) + encode_headers(ticket_headers(ticket) | told)
            await self._exchange.answer(answer.status, headers, answer.body)
        return True

    async def _fail(self, result: Answer | NotSent | OutcomeUnknown, upshot: Upshot, ticket: Ticket) -> bool:
        """Record what did not run, or of which nobody knows, and say so. Raises Refused."""
        outcome = judge(result, ticket.reservation)
        self._exchange.note(upstream=outcome.reason)
        if outcome.kind is Kind.UNKNOWN:
            await upshot.doubt(outcome.reason)
        else:
            await upshot.release(sent=not isinstance(result, NotSent), reason=outcome.reason)
        if outcome.refusal is None:
            assert isinstance(result, Answer)  # noqa: S101 (what was not answered is always refused)
            headers = returned(result.headers) + encode_headers(ticket_headers(ticket))
            await self._exchange.answer(result.status, headers, result.body)
            return True
        again = _NOT_AGAIN if outcome.kind is Kind.UNKNOWN else {}
        outcome.refusal.headers = ticket_headers(ticket) | outcome.refusal.headers | again
        raise outcome.refusal

    def _admitted(self) -> None:
        self._parts.telemetry.admissions.labels(self._principal.tenant.id, "admitted").inc()

    def _repeat_headers(self, first: Answered) -> Headers:
        headers = repeat_headers(first)
        if self._asked.streamed and first.status == 200:
            headers["Content-Type"] = "text/event-stream"
        return encode_headers(headers)


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
