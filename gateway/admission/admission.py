"""Admission: the hold. Asks the ledger for money, rate and slots at once, and gives them back if need be."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from gateway.admission.limits import usage_json, visible
from gateway.admission.refusals import busy, refusal, shadow_limits
from gateway.admission.shadow import ShadowRefusal
from gateway.admission.waiting import ClientGone, HungUp, Turn, never
from gateway.domain.errors import Code
from gateway.domain.money import UNITS_PER_USD
from gateway.domain.webhook import Webhook
from gateway.ledger.decisions import (
    Admitted,
    Answered,
    Busy,
    Capacity,
    Closed,
    Decision,
    Final,
    Order,
    OverLimit,
    Place,
    Use,
)
from gateway.ledger.postings import Postings, account_prefix
from gateway.ledger.queue import Queue
from gateway.ledger.requests import SEND_SECONDS
from gateway.ledger.store import LedgerUnavailable
from gateway.policy import Account, Principal
from gateway.pricing import Quote
from gateway.telemetry import Telemetry

log = logging.getLogger("gateway.admission")

#: How long after its last possible answer a create that was not heard of has lost its worker.
STALE_MARGIN_SECONDS = 10


class AccountLedger(Protocol):
    """What admission asks of an account's ledger."""

    queue: Queue

    async def reserve(self, order: Order, postings: Postings, upstream: list[Capacity]) -> Decision:
        """Decide a create in one step."""
        ...

    async def release(self, reservation: str, *, sent: bool, reason: str) -> bool:
        """End a reservation with nothing charged."""
        ...


_NOTHING = Quote("", "", 0, 0, (), (), {})


class Ticket(msgspec.Struct, frozen=True):
    """A create that may be sent: the id of its reservation, by which upstream key it goes, and until when.

    `at_us` is the store's time of the admission; `send_by` is a time of time.monotonic(): what is not sent by then
    must not be sent, since the upstream key's rate reckons with it. `shadows` would have refused it, were they
    enforced: limits, guards, lists of models.
    """

    reservation: str
    upstream_key: str
    at_us: int
    send_by: float
    quote: Quote
    uses: tuple[Use, ...]
    shadows: tuple[ShadowRefusal, ...] = ()


class _Terms(NamedTuple):
    """What one principal's creates are decided by; `principal` is kept alive, since its identity is the key."""

    principal: Principal
    postings: Postings
    upstream: list[Capacity]


class Admission:
    """Reserves for principals of one policy.

    `new_id` makes the ids of reservations; `keep` runs what must go on after its request, until it is done.
    `numbers` has, by account, the number under which the policy is in force; without one nothing is admitted where
    the ledger knows of another. It may be filled later.
    """

    def __init__(
        self,
        ledgers: Mapping[str, AccountLedger],
        telemetry: Telemetry,
        new_id: Callable[[], str],
        keep: Callable[[Coroutine[Any, Any, None]], object],
        numbers: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._ledgers = ledgers
        self._telemetry = telemetry
        self._new_id = new_id
        self._terms: dict[int, _Terms] = {}
        self._keep = keep
        self._numbers = numbers

    async def reserve(
        self,
        principal: Principal,
        quote: Quote,
        *,
        slot_s: float,
        answer_s: float,
        input_digest: str = "",
        shadows: tuple[ShadowRefusal, ...] = (),
        idempotency: tuple[str, str] | None = None,
        webhook: Webhook | None = None,
        hung_up: HungUp = never,
    ) -> Ticket | Answered:
        """Hold a quote's money, or repeat the answer of an earlier create with the same Idempotency-Key.

        `answer_s` is how long the create may wait for upstream's answer; `slot_s` when its slot frees itself;
        `shadows` are those that would have refused it before the limits were asked;
        `webhook` is where the tenant wants to be told of the end, kept in the same step as the hold.
        Where no upstream slot is free it queues, as long as its account says and until its client has `hung_up`.
        Raises Refused (the limits, `upstream_busy`, the idempotency codes), LedgerUnavailable or PolicyBehind.
        """
        stale_s = SEND_SECONDS + answer_s + STALE_MARGIN_SECONDS
        order = self._order(principal, quote, slot_s, stale_s, idempotency, input_digest, webhook)
        decision, send_by = await self._decide_in_turn(principal, order, hung_up)
        if isinstance(decision, Answered):
            return decision
        if not isinstance(decision, Admitted):
            raise refusal(decision, quote.hold, shadows)
        shadows += shadow_limits(decision.uses)
        ticket = Ticket(order.id, decision.upstream_key, decision.at_us, send_by, quote, decision.uses, shadows)
        self._count(principal, ticket)
        return ticket

    async def would_admit(self, principal: Principal, quote: Quote) -> tuple[bool, list[dict[str, object]]]:
        """Tell whether a create would be admitted now, and the violated limits if not; writes nothing.

        Raises LedgerUnavailable or PolicyBehind.
        """
        order = self._order(principal, quote, 0, 0, None, dry=True)
        decision = await self._ask(principal, order)
        if isinstance(decision, Admitted):
            return True, []
        if isinstance(decision, OverLimit):
            return False, refusal(decision, quote.hold).extra.get("limits", [])
        code = Code.LEDGER_UNAVAILABLE if isinstance(decision, Closed) else Code.UPSTREAM_BUSY
        return False, [{"id": code.value, "scope": f"account/{principal.tenant.account.id}"}]

    async def usage(self, principal: Principal) -> list[dict[str, object]]:
        """Give the present use of every limit that the tenant may see. Raises LedgerUnavailable or PolicyBehind."""
        decision = await self._ask(principal, self._order(principal, _NOTHING, 0, 0, None, dry=True))
        if not isinstance(decision, Admitted | OverLimit | Busy | Closed):
            return []
        return [usage_json(use, decision.at_us) for use in decision.uses if visible(use.limit)]

    async def is_open(self, principal: Principal, idempotency: tuple[str, str] | None = None) -> bool:
        """Tell whether a create that costs nothing would be sent now: it is within every limit, and no repeat.

        Writes nothing. Raises LedgerUnavailable.
        """
        order = self._order(principal, _NOTHING, 0, 0, idempotency, dry=True)
        return isinstance(await self._ask(principal, order), Admitted)

    def _order(
        self,
        principal: Principal,
        quote: Quote,
        slot_s: float,
        stale_s: float,
        idempotency: tuple[str, str] | None,
        input_digest: str = "",
        webhook: Webhook | None = None,
        *,
        dry: bool = False,
    ) -> Order:
        return Order(
            id=self._new_id(),
            tenant=principal.tenant.id,
            key=principal.key,
            model=quote.model,
            price_version=quote.price_version,
            estimate=quote.estimate,
            hold=quote.hold,
            slot_s=slot_s,
            stale_s=stale_s,
            idempotency=idempotency,
            input_digest=input_digest,
            webhook=webhook,
            policy=self._numbers.get(principal.tenant.account.id, 0),
            facts=quote.facts,
            dry=dry,
        )

    async def _decide_in_turn(self, principal: Principal, order: Order, hung_up: HungUp) -> tuple[Final, float]:
        """Decide a create, where it has to queue when its turn comes; also gives the time by which to send it."""
        tenant, account = principal.tenant, principal.tenant.account

        def ask(place: Place | None) -> Awaitable[Decision]:
            return self._decide(principal, replace(order, place=place) if place else order)

        queue = self._ledgers[account.id].queue
        turn = Turn(queue, order.id, tenant, self._terms_of(principal).upstream, hung_up)
        decision: Final | None = None
        try:
            decision, send_by = await turn.decide(ask)
        except ClientGone as error:
            raise busy(1) from error  # nobody reads it
        finally:
            if turn.queued:
                ended = "admitted" if isinstance(decision, Admitted) else "refused" if decision else "left"
                self._telemetry.queue_seconds.labels(ended).observe(turn.waited_s)
                if not isinstance(decision, Admitted | OverLimit | Busy):  # these took its ticket by themselves
                    self._keep(self._release(account.id, order.id))
        return decision, send_by

    async def _decide(self, principal: Principal, order: Order) -> Decision:
        """Ask the ledger; where no answer comes, see to it that a late one leaves no hold behind."""
        try:
            return await self._ask(principal, order)
        except (LedgerUnavailable, asyncio.CancelledError):
            self._keep(self._release(principal.tenant.account.id, order.id))
            raise

    async def _ask(self, principal: Principal, order: Order) -> Decision:
        terms = self._terms_of(principal)
        return await self._ledgers[principal.tenant.account.id].reserve(order, terms.postings, terms.upstream)

    def _terms_of(self, principal: Principal) -> "_Terms":
        """Give what a principal's creates are decided by, derived at its first."""
        known = self._terms.get(id(principal))
        if known is None:
            account = principal.tenant.account
            postings = Postings(account_prefix(account.id), principal.scopes, principal.limits)
            known = self._terms[id(principal)] = _Terms(principal, postings, capacities(account))
        return known

    async def _release(self, account: str, reservation: str) -> None:
        """Give back hold or ticket of a create that nobody waits for, for as long as a tombstone could matter."""
        for pause in (0.05, 0.2, 1.0, 5.0, 15.0, 30.0):
            try:
                await self._ledgers[account].release(
                    reservation, sent=False, reason="nobody waited for the reserve any longer"
                )
                return
            except LedgerUnavailable:
                await asyncio.sleep(pause)
        # Then the reconciler finds it as a stale hold, and proves from upstream's list that nothing ran.
        log.warning("the ledger stays away: %s may be held until it is found stale", reservation)

    def _count(self, principal: Principal, ticket: Ticket) -> None:
        tenant = principal.tenant.id
        estimate_usd = ticket.quote.estimate / UNITS_PER_USD  # a metric, not money: Prometheus has floats only
        self._telemetry.estimate(tenant, self._telemetry.model(ticket.quote.model))(estimate_usd)
        for shadow in ticket.shadows:
            self._telemetry.shadow_refusals.labels(tenant, shadow.code).inc()


def capacities(account: Account) -> list[Capacity]:
    """Give what the upstream keys of an account can take."""
    return [Capacity(key.id, key.creates_per_minute, key.concurrent) for key in account.keys]
