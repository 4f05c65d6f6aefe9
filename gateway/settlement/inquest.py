"""The inquest: looks through what upstream tells of its executions for creates whose answer never came."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from gateway.domain.reservation import Reservation
from gateway.domain.window import FOREVER_US, MICROSECONDS
from gateway.ledger.ledger import Ledger
from gateway.ledger.requests import SEND_SECONDS
from gateway.ledger.views import Views
from gateway.pricing import WORKFLOW_PREFIX
from gateway.settlement.doubts import Doubt, Findings, accounted, chains, could_be, interchangeable, resolve
from gateway.settlement.history import History
from gateway.settlement.listing import SLACK_US, Lister, Listing
from gateway.settlement.settlement import Settlement
from gateway.upstream.answers import Execution
from gateway.upstream.eachlabs import Eachlabs

log = logging.getLogger("gateway.inquest")

#: Upstream's list shows an execution this long after its creation at the latest: two complete listings without a
#: candidate, at least this far apart, prove that nothing ran.
APART_US = 60 * MICROSECONDS
#: Executions that are polled for their input in one round.
MOST_PUZZLES = 20


class Inquest:
    """Resolves doubts of one account, by proof only; without any until the horizon, the estimate is charged."""

    def __init__(
        self,
        ledger: Ledger,
        views: Views,
        upstream: Eachlabs,
        settlement: Settlement,
        lister: Lister,
        history: History,
    ) -> None:
        self._ledger = ledger
        self._views = views
        self._upstream = upstream
        self._settlement = settlement
        self._lister = lister
        self._history = history
        self._horizon_us = upstream.account.in_doubt_hours * 3600 * MICROSECONDS
        self._longest_us = int((SEND_SECONDS + upstream.account.create_timeout_seconds) * MICROSECONDS)

    async def hold(self) -> None:
        """Look for every doubt of the account in upstream's list, since the executions of one may be another's.

        Confirms what is found, releases what is proved absent, and ends what has passed its horizon.
        """
        doubts = await self._views.doubts(0, FOREVER_US)
        named, proved = await self._name(doubts)
        doubts = await self._expire([doubt for doubt in doubts if doubt.id not in proved])
        if not doubts:
            return
        admitted = [doubt.sent_us for doubt in doubts]
        asked_us = await self._ledger.now_us()
        workflows = {doubt.model for doubt in doubts if doubt.model.startswith(WORKFLOW_PREFIX)}
        listing = await self._lister.between(min(admitted), max(admitted) + self._longest_us, workflows)
        if listing is None:
            return
        findings = await self._resolve(doubts, listing.without(named), asked_us)
        findings = findings.among({doubt.id for doubt in doubts})
        for reservation, execution in findings.matches:
            log.warning("%s was found upstream as %s", reservation.id, execution.id)
            await self._settlement.found(reservation.id, execution.id)
        for reservation in findings.contested:
            log.warning("%s may be one of several executions; it is not assigned yet", reservation.id)
            await self._ledger.absent(reservation.id, seen=True)
        for reservation in findings.absent:
            await self._absent(reservation, listing)

    async def _name(self, doubts: Sequence[Reservation]) -> tuple[dict[str, str], set[str]]:
        """Find the doubts whose own addresses upstream called, and tell which of them are doubts no longer.

        Gives execution → reservation for all that upstream names. This is proof, also where the list of executions
        alone could be read in two ways.
        """
        if not doubts:
            return {}, set()
        oldest_us = min(doubt.sent_us for doubt in doubts)
        named = await self._history.named(await self._ledger.now_us() - oldest_us)
        own, proved = {reservation: execution for execution, reservation in named.items()}, set()
        for doubt in doubts:
            execution = await self._exchanged(own, doubt) if doubt.id in own else None
            if execution and await self._settlement.found(doubt.id, execution) is not None:
                log.warning("%s was called for upstream as %s", doubt.id, execution)
                proved.add(doubt.id)
        return named, proved

    async def _exchanged(self, own: Mapping[str, str], doubt: Reservation) -> str | None:
        """Give the execution that a doubt is to have: its own, or that of the equal one which has its; or None.

        Of interchangeable doubts one may have been given another's, when the list alone told of them: see doubts.
        """
        execution: str | None = own[doubt.id]
        for _ in own:
            owner = await self._views.owner(execution) if execution else doubt.id
            if owner in (None, doubt.id):
                break
            has_it = await self._views.reservation(owner)
            execution = own.get(owner) if has_it and interchangeable(has_it, doubt) else None
        return execution

    async def _expire(self, doubts: Sequence[Reservation]) -> list[Reservation]:
        """Charge at their estimates the doubts without evidence until the horizon; gives those that remain.

        A chain of rivals ends as one, when the youngest is past its horizon: the execution of one that went before
        would look like the others'. The time is read after the doubts, so that what another worker had begun to
        end before the reading is past its horizon here too.
        """
        now_us = await self._ledger.now_us()
        left = []
        for chain in chains(self._span(doubt, 0) for doubt in doubts):
            rivals = [doubt.reservation for doubt in chain]
            if now_us - max(each.sent_us for each in rivals) < self._horizon_us:
                left += rivals
                continue
            for each in rivals:
                log.error("no evidence of %s until the horizon; charged at its estimate", each.id)
                await self._settlement.assume(each, "in_doubt")
        return left

    async def _resolve(self, doubts: Sequence[Reservation], listing: Listing, asked_us: int) -> Findings:
        """Find whose the executions are that nobody claims; `asked_us` is when the list was asked for, by the store.

        An execution that is younger than a create in flight may be that create's own: it is assigned to nobody yet,
        but it keeps every doubt that it could belong to from counting as absent. The order of the readings matters:
        what is in flight no more after the first is a doubt in the second, or its execution has an owner in the last.
        What was a doubt before and is none in the second stays a rival: it may have been charged by assumption.
        """
        in_flight_us = await self._views.oldest_held_us() + listing.ahead_us - SLACK_US
        rivals = {each.id: each for each in (*doubts, *await self._views.doubts(0, FOREVER_US))}
        spans = [self._span(each, listing.ahead_us) for each in rivals.values()]
        unnamed = Counter(await self._views.unnamed(min(each.sent_us for each in rivals.values()) - SLACK_US))
        unclaimed = [
            execution
            for execution in listing.executions
            if any(could_be(span, execution) for span in spans)
            and await self._views.owner(execution.id) is None
            and not accounted(execution, unnamed)
        ]
        free = [execution for execution in unclaimed if execution.created_us < in_flight_us]
        withheld = [execution for execution in unclaimed if execution.created_us >= in_flight_us]
        free, unsure, digests = await self._without_lost(free, spans, listing.ahead_us)
        withheld += unsure
        final_us = asked_us + listing.ahead_us - APART_US
        findings = resolve(spans, free, withheld, digests, final_us)
        if findings.puzzles:
            digests |= await self._lister.input_digests(findings.puzzles[:MOST_PUZZLES])
            findings = resolve(spans, free, withheld, digests, final_us)
        return findings

    async def _without_lost(
        self, free: list[Execution], spans: Sequence[Doubt], ahead_us: int
    ) -> tuple[list[Execution], list[Execution], dict[str, str]]:
        """Leave out what may be of a rival whom the ledger does not know: of a create that a failover lost, or of a
        chat that was settled by its usage, whose execution nobody names.

        Gives what may be assigned, what may not, and the digests of inputs that told. Of such executions only the
        input says whose they are; one that is no doubt's belongs to none.
        """
        lost = self._ledger.presence.lost(self._longest_us) if self._ledger.presence else None
        first, last = (at_us + ahead_us for at_us in lost or (FOREVER_US, FOREVER_US))
        lost_too = [each for each in free if first - SLACK_US <= each.created_us <= last + SLACK_US]
        hidden = [each for each in free if each.requested or each in lost_too]
        digests = await self._lister.input_digests(hidden)
        asked = [(span, span.reservation.input_digest) for span in spans]
        known = {each.id for each in hidden if any(could_be(s, each) and d == digests.get(each.id) for s, d in asked)}
        clear = [each for each in free if each not in hidden or each.id in known]
        return clear, [each for each in hidden if each.id not in digests], digests

    def _span(self, doubt: Reservation, ahead_us: int) -> Doubt:
        """Give the time, by upstream's clock, in which the create can have taken effect."""
        sent_us = doubt.sent_us + ahead_us
        return Doubt(doubt, sent_us - SLACK_US, sent_us + self._longest_us + SLACK_US)

    async def _absent(self, reservation: Reservation, listing: Listing) -> None:
        """Release after the second complete listing without a candidate; none counts while one may still come."""
        now_us = await self._ledger.now_us()
        if now_us + listing.ahead_us <= self._span(reservation, listing.ahead_us).until_us:
            return
        if now_us - await self._ledger.absent(reservation.id) >= APART_US:
            log.warning("%s is proved absent upstream; released", reservation.id)
            await self._settlement.release(reservation.id, sent=True, reason="absent upstream")
