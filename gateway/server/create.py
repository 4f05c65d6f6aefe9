"""The path of a create: authenticate → read → price → reserve → forward → record. There is no other way to what
costs money upstream."""

import asyncio
import hashlib
import logging
from typing import NamedTuple

from gateway.admission.admission import Ticket
from gateway.admission.limits import rate_limit_fields, smallest_budget
from gateway.admission.price import price
from gateway.admission.reading import CreateBody, read_create
from gateway.domain.errors import Refused
from gateway.domain.money import format_usd
from gateway.domain.reservation import Reservation, State
from gateway.ledger.decisions import Answered
from gateway.policy import Principal
from gateway.pricing import Model
from gateway.server.exchange import Exchange, encode_headers
from gateway.server.outcome import Kind, judge
from gateway.server.parts import Parts
from gateway.upstream.answers import read_prediction
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown
from gateway.upstream.eachlabs import RUN_SECONDS
from gateway.upstream.headers import Headers, returned

log = logging.getLogger("gateway.create")

#: A prediction is looked at no later than this after its create, however long its model usually runs.
LATEST_FIRST_LOOK_SECONDS = 8.0
DOUBT_LOOK_SECONDS = 5.0


class Reply(NamedTuple):
    """An answer to the client."""

    status: int
    headers: Headers
    body: bytes


class Creates:
    """Answers POST `/v1/prediction` and `/v1/prediction/run`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._unknown = Model(slug="unknown")  # whose run times hold for models that the policy does not name

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one create."""
        principal = self._parts.authenticate(exchange.headers)
        exchange.note(tenant=principal.tenant.id, key=principal.key)
        try:
            body = read_create(await exchange.body())
            exchange.note(model=body.model[:200])
            # From here on a client that hangs up, or a worker that is asked to stop, changes nothing.
            reply = await asyncio.shield(self._parts.recorder.keep(self._carry(exchange, principal, body)))
        except Refused as refused:
            self._parts.telemetry.admissions.labels(principal.tenant.id, refused.code.value).inc()
            raise
        await exchange.answer(*reply)

    async def _carry(self, exchange: Exchange, principal: Principal, body: CreateBody) -> Reply:
        quote = price(self._parts.policy, principal.tenant, body)
        model = self._parts.policy.models.get(body.model, self._unknown)
        run = exchange.path.endswith("/run")
        ticket = await self._parts.admission.reserve(
            principal,
            quote,
            slot_s=max(model.max_run_seconds, RUN_SECONDS if run else 0),
            answer_s=RUN_SECONDS if run else principal.tenant.account.create_timeout_seconds,
            idempotency=_idempotency(exchange, body),
        )
        if isinstance(ticket, Answered):
            return _repeated(ticket)
        exchange.note(reservation=ticket.reservation, hold_usd=format_usd(quote.hold))
        answer = await self._forward(exchange, principal, body, ticket)
        return await self._record(exchange, principal, ticket, answer, model)

    async def _forward(
        self, exchange: Exchange, principal: Principal, body: CreateBody, ticket: Ticket
    ) -> Answer | NotSent | OutcomeUnknown:
        """Send it, once: nothing that may cost money is ever sent again."""
        upstream = self._parts.account_of(principal).upstream
        try:
            return await upstream.create(
                exchange.path, body.raw, exchange.headers, ticket.upstream_key, exchange.request_id, ticket.send_by
            )
        except (NotSent, OutcomeUnknown) as error:
            return error

    async def _record(
        self,
        exchange: Exchange,
        principal: Principal,
        ticket: Ticket,
        answer: Answer | NotSent | OutcomeUnknown,
        model: Model,
    ) -> Reply:
        """Tell the ledger what became of the create, then say it to the client."""
        account, record = self._parts.account_of(principal), self._parts.recorder.record
        outcome, reservation = judge(answer, ticket.reservation), ticket.reservation
        exchange.note(upstream=outcome.reason)
        if outcome.kind is Kind.NOTHING_RAN:
            sent = not isinstance(answer, NotSent)
            await record(
                f"the release of {reservation}",
                lambda: account.settlement.release(reservation, sent=sent, reason=outcome.reason),
            )
        elif outcome.kind is Kind.UNKNOWN:
            log.warning("%s is in doubt: %s", reservation, outcome.reason)
            await record(
                f"the doubt of {reservation}",
                lambda: account.ledger.doubt(reservation, outcome.reason, DOUBT_LOOK_SECONDS),
            )
        if outcome.refusal is not None:
            raise outcome.refusal
        assert isinstance(answer, Answer)  # noqa: S101 (what is neither answered nor refused does not exist)
        self._parts.telemetry.admissions.labels(principal.tenant.id, "admitted").inc()
        if outcome.prediction is None:
            return Reply(answer.status, returned(answer.headers), answer.body)
        return await self._running(exchange, principal, ticket, answer, outcome.prediction, model)

    async def _running(
        self, exchange: Exchange, principal: Principal, ticket: Ticket, answer: Answer, prediction: str, model: Model
    ) -> Reply:
        """Bind the prediction to its reservation; a run is settled at once, for it has ended."""
        account, run = self._parts.account_of(principal), exchange.path.endswith("/run")
        reservation = _reservation(principal, ticket, prediction)
        self._parts.owners.remember(prediction, reservation)
        exchange.note(prediction=prediction)
        due_s = 0.0 if run else min(model.usual_run_seconds, LATEST_FIRST_LOOK_SECONDS)
        await self._parts.recorder.record(
            f"the prediction of {ticket.reservation}",
            lambda: account.ledger.confirm(
                ticket.reservation, prediction, due_s, (answer.status, answer.body) if _keyed(exchange) else None
            ),
        )
        headers = returned(answer.headers) + encode_headers(_money_headers(ticket))
        if run:
            headers += encode_headers(await self._cost(principal, reservation, prediction))
        return Reply(answer.status, headers, answer.body)

    async def _cost(self, principal: Principal, reservation: Reservation, prediction: str) -> dict[str, str]:
        """Poll an ended run for its cost, and settle it; the reconciler does it where this does not."""
        account = self._parts.account_of(principal)
        try:
            answer = await account.upstream.poll(prediction, reservation.upstream_key)
        except (NotSent, OutcomeUnknown):
            return {}
        reading = read_prediction(answer.body) if answer.status == 200 else None
        if reading is None:
            return {}
        cost = await self._parts.recorder.record(
            f"the settlement of {reservation.id}", lambda: account.settlement.observe(reservation, reading)
        )
        return {} if cost is None else {"X-Gateway-Cost-USD": format_usd(cost)}


def _idempotency(exchange: Exchange, body: CreateBody) -> tuple[str, str] | None:
    """Give (digest of the key, fingerprint of path and body); both ways to write the create's path are one."""
    key = exchange.header(b"idempotency-key")
    if not key:
        return None
    fingerprint = hashlib.sha256(exchange.path.rstrip("/").encode() + b"\n" + body.raw).hexdigest()
    return hashlib.sha256(key).hexdigest(), fingerprint


def _keyed(exchange: Exchange) -> bool:
    return bool(exchange.header(b"idempotency-key"))


def _repeated(first: Answered) -> Reply:
    headers = {
        "Content-Type": "application/json",
        "X-Gateway-Reservation": first.reservation,
        "Idempotency-Replayed": "true",
    }
    return Reply(first.status, encode_headers(headers), first.body)


def _reservation(principal: Principal, ticket: Ticket, prediction: str) -> Reservation:
    quote = ticket.quote
    return Reservation(
        id=ticket.reservation,
        state=State.RUNNING,
        account=principal.tenant.account.id,
        tenant=principal.tenant.id,
        key=principal.key,
        model=quote.model,
        price_version=quote.price_version,
        upstream_key=ticket.upstream_key,
        estimate=quote.estimate,
        hold=quote.hold,
        admitted_us=0,
        prediction=prediction,
    )


def _money_headers(ticket: Ticket) -> dict[str, str]:
    left = smallest_budget(ticket.uses)
    headers = {
        "X-Gateway-Reservation": ticket.reservation,
        "X-Gateway-Estimate-USD": format_usd(ticket.quote.estimate),
        "X-Gateway-Hold-USD": format_usd(ticket.quote.hold),
        **rate_limit_fields(ticket.uses),
    }
    if left is not None:
        headers["X-Gateway-Budget-Remaining-USD"] = format_usd(left)
    if ticket.shadow_refused:
        headers["X-Gateway-Shadow-Refused"] = ", ".join(ticket.shadow_refused)
    return headers
