"""The path of a create: authenticate → read → price → reserve → forward → record. There is no other way to what
costs money upstream."""

import asyncio
import hashlib
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway.admission.admission import Ticket
from gateway.admission.probing import price_seen
from gateway.admission.reading import CreateBody, read_create
from gateway.admission.shadow import shadow_refusals
from gateway.admission.webhooks import read_webhook, with_address
from gateway.domain.errors import Refused
from gateway.domain.money import format_usd
from gateway.domain.reservation import State
from gateway.domain.webhook import Webhook
from gateway.ledger.decisions import Answered
from gateway.ledger.enactment import PolicyBehind
from gateway.ledger.store import LedgerUnavailable
from gateway.policy import Principal
from gateway.pricing import Model, Quote
from gateway.server.exchange import Exchange, encode_headers
from gateway.server.noted import count_refusal, note_refusal
from gateway.server.outcome import Kind, Outcome, judge
from gateway.server.parts import Parts
from gateway.server.recording import NOT_YET
from gateway.server.reply import Reply
from gateway.server.tickets import repeat_headers, reservation_of, ticket_headers
from gateway.settlement.schedule import seconds_to_look
from gateway.upstream.answers import read_prediction
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown
from gateway.upstream.digest import digest_input
from gateway.upstream.eachlabs import RUN_SECONDS
from gateway.upstream.headers import returned

log = logging.getLogger("gateway.create")

T = TypeVar("T")

DOUBT_LOOK_SECONDS = 5.0


class Creates:
    """Answers POST `/v1/prediction` and `/v1/prediction/run`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one create."""
        principal = self._parts.authenticate(exchange.scope)
        try:
            create = _Create(self._parts, exchange, principal, await exchange.body())
            # From here on a client that hangs up, or a worker that is asked to stop, changes nothing.
            reply = await asyncio.shield(self._parts.recorder.keep(create.carry()))
        except (Refused, LedgerUnavailable, PolicyBehind) as error:
            count_refusal(self._parts.telemetry, principal, error, last=exchange.last)
            raise
        await exchange.answer(reply.status, reply.headers, reply.body)


class _Create:
    """One create on its way. Raises Refused for a body that is none."""

    __slots__ = (
        "_account",
        "_answer_s",
        "_exchange",
        "_key",
        "_model",
        "_parts",
        "_principal",
        "_raw",
        "_read",
        "_run",
    )

    def __init__(self, parts: Parts, exchange: Exchange, principal: Principal, raw: bytes) -> None:
        body = read_create(raw)
        exchange.note(model=body.model)
        self._parts = parts
        self._exchange = exchange
        self._principal = principal
        self._raw = raw
        self._read: CreateBody | None = body
        self._account = parts.account_of(principal)
        self._key = exchange.header(b"idempotency-key")
        self._run = exchange.path.endswith("/run")
        self._answer_s = RUN_SECONDS if self._run else principal.tenant.account.create_timeout_seconds
        # The run times of a model that the policy does not name are those of any model that says nothing of them.
        self._model = parts.policy.models.get(body.model) or Model(slug="unknown")

    @property
    def _body(self) -> CreateBody:
        """Give what the body says, read again where another key is tried: it is not kept while upstream works."""
        if self._read is None:
            self._read = read_create(self._raw)
        return self._read

    async def carry(self) -> Reply:
        """Price, reserve, forward and record. Raises Refused, LedgerUnavailable or PolicyBehind."""
        idempotency = self._idempotency()
        quote = await self._noting(self._price(idempotency))
        for others in reversed(range(len(self._principal.tenant.account.keys))):
            ticket = await self._noting(self._reserve(quote, idempotency))
            if isinstance(ticket, Answered):
                return Reply(ticket.status, encode_headers(repeat_headers(ticket)), ticket.body)
            reply = await self._send(ticket, others)
            if reply is not None:
                return reply
        raise AssertionError("the last key is tried to its end")

    async def _noting(self, step: Coroutine[Any, Any, T]) -> T:
        """Do what comes before the sending, and note what policy or limits refuse."""
        try:
            return await step
        except Refused as refused:
            await note_refusal(self._account, self._parts.policy, self._principal, self._body, refused)
            raise

    async def _price(self, idempotency: tuple[str, str] | None) -> Quote:
        policy, tenant, admission = self._parts.policy, self._principal.tenant, self._parts.admission
        return await price_seen(
            policy, tenant, self._body, self._parts.probe, lambda: admission.is_open(self._principal, idempotency)
        )

    async def _send(self, ticket: Ticket, others: int) -> Reply | None:
        """Forward and record; None where upstream refused this key alone, and there are others. Raises Refused."""
        self._exchange.note(reservation=ticket.reservation, hold_usd=format_usd(ticket.quote.hold))
        answer = await self._forward(ticket)
        outcome = judge(answer, ticket.reservation)
        self._exchange.note(upstream=outcome.reason)
        if outcome.refusal is None and isinstance(answer, Answer):
            self._parts.telemetry.admission(self._principal.tenant.id, "admitted")()
            return await self._reply(ticket, answer, outcome)
        recorded = await self._record_failure(ticket, answer, outcome)
        # Nothing ran, and this reservation has ended: the create begins anew as another, which takes another key.
        if outcome.rest is not None and others and recorded:
            return None
        raise _with_headers(outcome, ticket)

    async def _reserve(self, quote: Quote, idempotency: tuple[str, str] | None) -> Ticket | Answered:
        """Hold the money of a quote. Raises Refused, LedgerUnavailable or PolicyBehind."""
        policy, tenant = self._parts.policy, self._principal.tenant
        return await self._parts.admission.reserve(
            self._principal,
            quote,
            slot_s=max(self._model.max_run_seconds, RUN_SECONDS if self._run else 0),
            answer_s=self._answer_s,
            input_digest=digest_input(self._body.input),
            shadows=shadow_refusals(policy, tenant, self._body, quote),
            idempotency=idempotency,
            webhook=self._webhook(),
            hung_up=self._exchange.hung_up,
        )

    def _idempotency(self) -> tuple[str, str] | None:
        """Give (digest of the key, fingerprint of path and body); both ways to write the create's path are one."""
        if not self._key:
            return None
        path = self._exchange.path.rstrip("/").encode()
        return hashlib.sha256(self._key).hexdigest(), hashlib.sha256(path + b"\n" + self._raw).hexdigest()

    def _webhook(self) -> Webhook | None:
        """Give the tenant's own webhook, where the gateway calls it. Raises Refused."""
        if self._parts.addresses.public_url is None:
            return None
        return read_webhook(self._raw, self._parts.private_destinations)

    def _sent_body(self, reservation: str) -> bytes:
        """Give the body for upstream: the client's own, told to call the gateway where that has a public address."""
        address = self._parts.addresses.of(self._principal.tenant.account.id, reservation)
        return self._raw if address is None else with_address(self._raw, address)

    async def _forward(self, ticket: Ticket) -> Answer | NotSent | OutcomeUnknown:
        """Send it, once: nothing that may cost money is ever sent again."""
        exchange, self._read = self._exchange, None
        try:
            return await self._account.upstream.create(
                exchange.path,
                self._sent_body(ticket.reservation),
                exchange.headers,
                ticket.upstream_key,
                exchange.request_id,
                ticket.send_by,
                self._answer_s,
            )
        except (NotSent, OutcomeUnknown) as error:
            return error
        except Exception as error:
            # Whatever else broke may have broken after a byte left; the money stays held.
            log.exception("the create of %s failed in the client", ticket.reservation)
            return OutcomeUnknown(f"{type(error).__name__}: {error}")

    async def _record_failure(
        self, ticket: Ticket, answer: Answer | NotSent | OutcomeUnknown, outcome: Outcome
    ) -> bool:
        """Tell the ledger of a create that did not lead to a prediction; returns whether it knows by now."""
        reservation, settlement, reason = ticket.reservation, self._account.settlement, outcome.reason
        if outcome.kind is Kind.UNKNOWN:
            log.warning("%s is in doubt: %s", reservation, reason)
            told = await self._parts.recorder.record(
                f"the doubt of {reservation}", lambda: settlement.doubt(reservation, reason, DOUBT_LOOK_SECONDS)
            )
        else:
            self._note_rest(ticket, outcome)
            sent, rest = not isinstance(answer, NotSent), outcome.rest
            told = await self._parts.recorder.record(
                f"the release of {reservation}",
                lambda: settlement.release(reservation, sent=sent, reason=reason, rest=rest),
            )
        return told is not NOT_YET

    def _note_rest(self, ticket: Ticket, outcome: Outcome) -> None:
        if outcome.rest is not None:
            account, key, why = self._account.ledger.account, ticket.upstream_key, outcome.rest.why
            log.warning("upstream key %r of account %r rests: %s (%s)", key, account, outcome.reason, why)
            self._parts.telemetry.key_refusals.labels(account, key, why.value).inc()

    async def _reply(self, ticket: Ticket, answer: Answer, outcome: Outcome) -> Reply:
        """Record what upstream answered, and pass it on; a run is settled at once, for it has ended."""
        headers = returned(answer.headers) + encode_headers(ticket_headers(ticket))
        if outcome.prediction is None:
            await self._record_failure(ticket, answer, outcome)
            return Reply(answer.status, headers, answer.body)
        self._exchange.note(prediction=outcome.prediction)
        reservation = reservation_of(self._principal, ticket, outcome.prediction)
        self._parts.owners.remember(outcome.prediction, reservation)
        await self._confirm(ticket, outcome.prediction, answer)
        if self._run:
            cost = await self._cost(ticket, outcome.prediction)
            headers += [] if cost is None else encode_headers({"X-Gateway-Cost-USD": format_usd(cost)})
        return Reply(answer.status, headers, answer.body)

    async def _confirm(self, ticket: Ticket, prediction: str, answer: Answer) -> None:
        kept = (answer.status, answer.body) if self._key else None
        due_s = 0.0 if self._run else await self._first_look_s()
        state = await self._parts.recorder.record(
            f"the prediction of {ticket.reservation}",
            lambda: self._account.settlement.confirm(ticket.reservation, prediction, due_s, kept),
        )
        if state not in (NOT_YET, State.RUNNING, State.SETTLED):
            log.error("%s runs as %s, but its reservation is %s", ticket.reservation, prediction, state)

    async def _first_look_s(self) -> float:
        """Say in how many seconds the reconciler is to look, if nobody polls before."""
        runs = self._account.run_times.of(self._model.slug)
        now_us = await self._account.ledger.now_us()  # as reckoned, without asking the store
        return seconds_to_look(runs, self._model.usual_run_seconds, 0, now_us)

    async def _cost(self, ticket: Ticket, prediction: str) -> int | None:
        """Poll an ended run for its cost, and settle it; the reconciler does it where this does not."""
        reservation = reservation_of(self._principal, ticket, prediction)
        try:
            answer = await self._account.upstream.poll(prediction, ticket.upstream_key)
        except (NotSent, OutcomeUnknown):
            return None
        reading = read_prediction(answer.body) if answer.status == 200 else None
        if reading is None:
            return None
        cost = await self._parts.recorder.record(
            f"the settlement of {reservation.id}", lambda: self._account.settlement.observe(reservation, reading)
        )
        return cost if isinstance(cost, int) else None


def _with_headers(outcome: Outcome, ticket: Ticket) -> Refused:
    assert outcome.refusal is not None  # noqa: S101 (what upstream did not answer is always refused)
    outcome.refusal.headers = ticket_headers(ticket) | outcome.refusal.headers
    return outcome.refusal
