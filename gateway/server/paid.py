"""A paid route beside the create (chat, audio, workflows), on its path: authenticate → read → price → reserve →
forward → settle. An answer is passed on while it arrives."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping

from starlette.types import Receive, Scope, Send

from gateway.admission.admission import Ticket
from gateway.admission.asking import Asked
from gateway.admission.price import price
from gateway.admission.shadow import shadow_refusals
from gateway.domain.errors import Code, Refused
from gateway.domain.money import format_usd
from gateway.ledger.decisions import Answered
from gateway.ledger.enactment import PolicyBehind
from gateway.ledger.store import LedgerUnavailable
from gateway.policy import Principal
from gateway.pricing import Model, Quote, Route
from gateway.server.exchange import MOST_BODY_BYTES, Exchange, encode_headers
from gateway.server.forwarding import Forwarding
from gateway.server.noted import count_refusal, note_refusal
from gateway.server.outcome import Kind, judge
from gateway.server.parts import Parts
from gateway.server.passing import Passage
from gateway.server.tickets import repeat_headers, ticket_headers
from gateway.server.upshot import Upshot
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown
from gateway.upstream.digest import digest_input
from gateway.upstream.headers import Headers, returned

#: By this header upstream would answer elsewhere, and tell the usage to nobody here.
_ELSEWHERE = b"x-eachlabs-webhook-url"
#: The openai clients send a request again by themselves, unless they are told not to.
_NOT_AGAIN = {"x-should-retry": "false"}


class Paid:
    """Answers one route; `read` reads its body, by the parameters of its path and its Content-Type."""

    def __init__(self, parts: Parts, read: Callable[[bytes, Mapping[str, str], bytes], Asked]) -> None:
        self._parts = parts
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        principal = self._parts.authenticate(scope)
        try:
            asked = await self._asked(exchange)
            exchange.note(model=asked.body.model)
            if exchange.header(_ELSEWHERE):
                raise Refused(Code.INVALID_INPUT, f"{_ELSEWHERE.decode()} cannot be used here; leave it out")
            # From here on a worker that is asked to stop changes nothing, nor a client that hangs up, unless it reads
            # a stream: then nobody wants the rest.
            call = _Call(self._parts, exchange, principal, asked, send)
            whole = await asyncio.shield(self._parts.recorder.keep(call.carry()))
        except (Refused, LedgerUnavailable, PolicyBehind) as error:
            count_refusal(self._parts.telemetry, principal, error, last=exchange.last)
            raise
        if not whole:  # the server cuts what has begun, and the client sees that it is not whole
            raise Refused(Code.UPSTREAM_ERROR, "upstream's answer was cut")

    async def _asked(self, exchange: Exchange) -> Asked:
        """Read the body; the digest of a large file would keep everybody else waiting."""
        body = await exchange.body()
        given = body, exchange.scope["path_params"], exchange.header(b"content-type") or b""
        return self._read(*given) if len(body) <= MOST_BODY_BYTES else await asyncio.to_thread(self._read, *given)


class _Call:
    """One request on its way."""

    def __init__(self, parts: Parts, exchange: Exchange, principal: Principal, asked: Asked, send: Send) -> None:
        self._parts = parts
        self._exchange = exchange
        self._principal = principal
        self._asked = asked
        self._account = parts.account_of(principal)
        self._key = exchange.header(b"idempotency-key")
        self._model = parts.policy.models.get(asked.body.model) or Model(slug="unknown")
        # A trigger is answered at once; everything else is answered by the run itself.
        trigger = asked.body.route is Route.WORKFLOW
        self._answer_s = (
            principal.tenant.account.create_timeout_seconds if trigger else float(self._model.max_run_seconds)
        )
        self._forwarding = Forwarding(self._account.upstream, exchange, asked, send, self._answer_s)

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
        result, passage = await self._forwarding.forward(ticket)
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
        fingerprint = hashlib.sha256(self._exchange.target.encode() + b"\n" + self._asked.body.raw).hexdigest()
        return hashlib.sha256(self._key).hexdigest(), fingerprint

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
        self._parts.telemetry.admission(self._principal.tenant.id, "admitted")()

    def _repeat_headers(self, first: Answered) -> Headers:
        headers = repeat_headers(first)
        if self._asked.streamed and first.status == 200:
            headers["Content-Type"] = "text/event-stream"
        return encode_headers(headers)
