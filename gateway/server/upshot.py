"""The upshot: what becomes of the money that is held for a request of a paid route, as far as its answer tells."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.admission.admission import Ticket
from gateway.admission.asking import Asked
from gateway.domain.errors import Code, Refused
from gateway.policy import Principal
from gateway.pricing import Model, metered_cost
from gateway.server.parts import Parts
from gateway.server.passing import Passage
from gateway.server.refusals import STATUS, body_of
from gateway.server.tickets import reservation_of
from gateway.settlement.schedule import seconds_to_look
from gateway.upstream.client import Answer

log = logging.getLogger("gateway.create")

DOUBT_LOOK_SECONDS = 5.0
#: An execution that has answered is in upstream's list after this, mostly.
LOOK_SECONDS = 1.0


class Upshot:
    """Tells the ledger of one request; `keep` says whether its answer is to be repeated to an Idempotency-Key."""

    def __init__(
        self, parts: Parts, principal: Principal, asked: Asked, ticket: Ticket, model: Model, *, keep: bool
    ) -> None:
        self._parts = parts
        self._principal = principal
        self._asked = asked
        self._ticket = ticket
        self._model = model
        self._keep = keep
        self._account = parts.account_of(principal)
        self._settlement = self._account.settlement

    async def runs(self, execution: str, answer: Answer) -> None:
        """Bind an execution that goes on behind its answer."""
        self._parts.owners.remember(execution, reservation_of(self._principal, self._ticket, execution))
        now_us = await self._account.ledger.now_us()
        runs = self._account.run_times.of(self._model.slug)
        due_s = seconds_to_look(runs, self._model.usual_run_seconds, 0, now_us)
        kept = (answer.status, answer.body) if self._keep else None
        await self._record(
            "execution", lambda: self._settlement.confirm(self._ticket.reservation, execution, due_s, kept)
        )

    async def settle(self, passage: Passage, answer: Answer) -> int | None:
        """Settle a run that has answered, by the usage that it told; gives its cost, None while that is open.

        Where it told none, its execution tells the cost: the one that it named, else one that is looked for.
        """
        body = self._asked.body
        cost = metered_cost(self._model, body.input, passage.usage)
        kept = self._kept(passage, answer)
        if passage.execution and not passage.usage:
            await self._confirm(passage.execution, kept)
            return None
        if cost is None:
            log.warning("%s answered and told no usage; its cost is looked for", self._ticket.reservation)
            await self.doubt("the answer tells no usage")
            return None
        name = passage.execution or self._ticket.reservation
        reservation = reservation_of(self._principal, self._ticket, name)

        async def confirm_and_meter() -> int | None:
            await self._settlement.confirm(reservation.id, name, LOOK_SECONDS, kept)
            return await self._settlement.meter(reservation, cost)

        settled = await self._record("settlement", confirm_and_meter)
        return settled if isinstance(settled, int) else None

    async def cut(self, execution: str, reason: str) -> None:
        """Leave the cost of an answer that was cut to its execution, or in doubt where it named none."""
        log.warning("the answer to %s was cut: %s", self._ticket.reservation, reason)
        if execution:
            await self._confirm(execution, _not_kept() if self._keep else None)
        else:
            await self.doubt(reason)

    async def doubt(self, reason: str) -> None:
        """Keep the hold of what may have run."""
        id_ = self._ticket.reservation
        await self._record("doubt", lambda: self._settlement.doubt(id_, reason, DOUBT_LOOK_SECONDS))

    async def release(self, *, sent: bool, reason: str) -> None:
        """Give back the hold of what did not run."""
        id_ = self._ticket.reservation
        await self._record("release", lambda: self._settlement.release(id_, sent=sent, reason=reason))

    async def _confirm(self, execution: str, kept: tuple[int, bytes] | None) -> None:
        self._parts.owners.remember(execution, reservation_of(self._principal, self._ticket, execution))
        id_ = self._ticket.reservation
        await self._record("execution", lambda: self._settlement.confirm(id_, execution, LOOK_SECONDS, kept))

    def _kept(self, passage: Passage, answer: Answer) -> tuple[int, bytes] | None:
        if not self._keep:
            return None
        body = passage.kept if passage.begun else answer.body
        return _not_kept() if body is None else (answer.status, body)

    async def _record(self, what: str, action: Callable[[], Awaitable[Any]]) -> Any:
        return await self._parts.recorder.record(f"the {what} of {self._ticket.reservation}", action)


def _not_kept() -> tuple[int, bytes]:
    """Make the answer to a repeat of a request whose own answer is not kept: too long, no text, or cut."""
    refused = Refused(
        Code.IDEMPOTENCY_NOT_KEPT,
        "the request with this Idempotency-Key was answered, and that answer is not kept, since it was a sound, "
        "longer than 1 MiB, or cut; use a new key to send it again",
    )
    return STATUS[refused.code], body_of(refused)
