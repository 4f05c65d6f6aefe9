"""Replay: recorded creates decided by another policy, by the scripts that decide real ones, at the time of each.

A create that was refused then and is admitted now is taken to have run as long as its model usually does, and to have
cost its estimate.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.admission.admission import capacities
from gateway.admission.refusals import refusal
from gateway.admission.wish import Undecidable, Wish, quote_again
from gateway.domain.errors import Code, Refused
from gateway.domain.reservation import How
from gateway.domain.window import MICROSECONDS
from gateway.ledger.decisions import Admitted, Busy, Order, OverLimit
from gateway.ledger.journal import Confirmed, Corrected, Doubted, Entry, Finished, Released, Settled
from gateway.ledger.postings import Postings
from gateway.ledger.scratch import ScratchLedger
from gateway.policy import Policy, Principal
from gateway.pricing import Model, Quote

ADMITTED = "admitted"
#: Nothing in a replay is looked at or lost: these times only have to be longer than any life.
_NEVER_DUE_S = 10**6


class _End(NamedTuple):
    """When a create ends that never ran: it was refused then, and is admitted now."""

    at_us: int
    id: str
    cost: int


@dataclass
class Replay:
    """Decides the creates of one account by a policy; to be told of everything in the order of time."""

    policy: Policy
    account: str
    scratch: ScratchLedger
    notes: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self._principals = {(each.tenant.id, each.key): each for each in self.policy.keyring.values()}
        self._postings: dict[tuple[str, str], Postings] = {}
        self._running: set[str] = set()
        self._ends: list[_End] = []

    async def decide(self, wish: Wish) -> str:
        """Say what comes of a create: `admitted`, or a refusal's code. Raises Undecidable and LedgerUnavailable."""
        await self._pass_time(wish.at_us)
        try:
            principal = self._principal(wish)
            await self._reserve(principal, wish, quote_again(self.policy, principal, wish, self.notes))
        except Refused as refused:
            return refused.code.value
        if wish.then != ADMITTED:
            await self._begin(wish)
        return ADMITTED

    async def follow(self, entry: Entry) -> None:
        """Let what happened to a create happen to it again, where it was admitted again. Raises LedgerUnavailable."""
        if entry.reservation not in self._running:
            return
        await self._pass_time(entry.at_us)
        ledger = self.scratch.ledger
        match entry.fact:
            case Confirmed() as fact:
                await ledger.confirm(fact.reservation, fact.prediction, _NEVER_DUE_S)
            case Doubted() as fact:
                await ledger.doubt(fact.reservation, fact.reason, _NEVER_DUE_S)
            case Finished() as fact:
                await ledger.finish(fact.reservation, fact.status, _NEVER_DUE_S)
            case Settled() as fact:
                # Whether it is an overrun of the hold that is now, the script says.
                how = How.ASSUMED if fact.how is How.ASSUMED else How.EXACT
                await ledger.settle(fact.reservation, fact.cost, how, "success")
            case Released() as fact:
                await ledger.release(fact.reservation, sent=True, reason=fact.reason)
            case Corrected() as fact:
                await self._correct(fact)
            case _:
                pass

    def _principal(self, wish: Wish) -> Principal:
        """Find whose create it is now; raises Refused where its key opens nothing."""
        principal = self._principals.get((wish.tenant, wish.key))
        if principal is None or principal.closed(wish.at_us):
            raise Refused(Code.INVALID_KEY, "the key is not in this policy, or opens nothing")
        if principal.tenant.account.id != self.account:
            raise Undecidable("its tenant has moved to another account")
        return principal

    async def _reserve(self, principal: Principal, wish: Wish, quote: Quote) -> None:
        """Ask the ledger at the time of the create. Raises Refused."""
        order = Order(
            id=wish.id,
            tenant=wish.tenant,
            key=wish.key,
            model=wish.model,
            price_version=quote.price_version,
            estimate=quote.estimate,
            hold=quote.hold,
            slot_s=self._model(wish).max_run_seconds,
            stale_s=_NEVER_DUE_S,
        )
        keys = capacities(principal.tenant.account)
        decision = await self.scratch.ledger.reserve(order, self._postings_of(principal), keys)
        if isinstance(decision, OverLimit | Busy):
            raise refusal(decision, quote.hold)
        if not isinstance(decision, Admitted):
            raise Undecidable(f"the ledger answered {type(decision).__name__}")
        self._running.add(wish.id)

    def _postings_of(self, principal: Principal) -> Postings:
        name = principal.tenant.id, principal.key
        if name not in self._postings:
            prefix = self.scratch.ledger.prefix
            self._postings[name] = Postings(prefix, principal.scopes, principal.limits)
        return self._postings[name]

    def _model(self, wish: Wish) -> Model:
        return self.policy.models.get(wish.model) or Model(slug="unknown")

    async def _begin(self, wish: Wish) -> None:
        """Let a create run that never did."""
        await self.scratch.ledger.confirm(wish.id, f"prediction of {wish.id}", _NEVER_DUE_S)
        end_us = wish.at_us + self._model(wish).usual_run_seconds * MICROSECONDS
        heapq.heappush(self._ends, _End(end_us, wish.id, wish.estimate))

    async def _pass_time(self, until_us: int) -> None:
        """Move the clock, and end on the way what is due to end."""
        while self._ends and self._ends[0].at_us <= until_us:
            end = heapq.heappop(self._ends)
            await self.scratch.at(end.at_us)
            await self.scratch.ledger.settle(end.id, end.cost, How.EXACT, "success")
        await self.scratch.at(until_us)

    async def _correct(self, fact: Corrected) -> None:
        found = await self.scratch.reservation(fact.reservation)
        if found is not None:
            await self.scratch.ledger.correct(found, fact.cost - fact.more, fact.cost)
