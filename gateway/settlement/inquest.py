"""The inquest: looks through upstream's list of executions for creates whose answer never came."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from gateway.domain.reservation import Reservation
from gateway.domain.window import MICROSECONDS
from gateway.ledger.ledger import SEND_SECONDS, Ledger
from gateway.ledger.views import Views
from gateway.settlement.doubts import SLACK_US, Doubt, Findings, could_be, resolve
from gateway.settlement.settlement import Settlement
from gateway.upstream.answers import Execution, read_executions
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown
from gateway.upstream.eachlabs import Eachlabs

log = logging.getLogger("gateway.inquest")

PAGE = 100
MOST_PAGES = 50
#: Two complete listings without a candidate, at least this far apart, prove that nothing ran.
APART_US = 60 * MICROSECONDS


class Listing(NamedTuple):
    """Every execution of a span, and how far upstream's clock is ahead of the store's (microseconds)."""

    executions: list[Execution]
    ahead_us: int


class Inquest:
    """Resolves doubts of one account, by proof only; without any until the horizon, the estimate is charged."""

    def __init__(self, ledger: Ledger, views: Views, upstream: Eachlabs, settlement: Settlement) -> None:
        self._ledger = ledger
        self._views = views
        self._upstream = upstream
        self._settlement = settlement

    async def hold(self, doubts: Sequence[Reservation]) -> None:
        """Look for the doubts in upstream's list; confirm what is found, release what is proved absent."""
        open_doubts = [doubt for doubt in doubts if not await self._expired(doubt)]
        oldest = min((doubt.admitted_us for doubt in open_doubts), default=None)
        listing = await self._list(oldest) if oldest is not None else None
        if listing is None:
            return
        findings = await self._resolve(open_doubts, listing)
        for reservation, execution in findings.matches:
            log.warning("%s was found upstream as %s", reservation.id, execution.id)
            await self._ledger.confirm(reservation.id, execution.id, 0)
        asked = {doubt.id for doubt in open_doubts}
        for reservation in findings.absent:
            if reservation.id in asked:
                await self._absent(reservation, listing)
        for reservation in findings.ambiguous:
            log.error("%s may be one of several tenants' executions; it is not assigned", reservation.id)

    async def _expired(self, doubt: Reservation) -> bool:
        """Charge a doubt that found no evidence until its horizon at its estimate."""
        age_us = await self._ledger.now_us() - doubt.admitted_us
        if age_us < self._upstream.account.in_doubt_hours * 3600 * MICROSECONDS:
            return False
        log.error("no evidence of %s until the horizon; charged at its estimate", doubt.id)
        await self._settlement.assume(doubt, "in_doubt")
        return True

    async def _resolve(self, doubts: Sequence[Reservation], listing: Listing) -> Findings:
        """Find what belongs to the doubts, beside every other doubt that the same executions could belong to.

        Those others may not be due yet; without them an execution of another tenant's would seem to have one owner.
        """
        spans = [self._span(doubt, listing.ahead_us) for doubt in doubts]
        first_in_flight = await self._views.oldest_held_us()
        free = [
            execution
            for execution in listing.executions
            if any(could_be(span, execution) for span in spans)
            # One that is younger than a create in flight may be that create's own.
            and execution.created_us < first_in_flight + listing.ahead_us - SLACK_US
            and await self._views.owner(execution.id) is None
        ]
        # Read last: what is in flight no more since the line above is a doubt or has its execution by now.
        reach_us = spans[0].until_us - spans[0].from_us
        admitted = [doubt.admitted_us for doubt in doubts]
        rivals = await self._views.doubts(min(admitted) - reach_us, max(admitted) + reach_us)
        return resolve([self._span(rival, listing.ahead_us) for rival in rivals], free)

    def _span(self, doubt: Reservation, ahead_us: int) -> Doubt:
        """Give the time, by upstream's clock, in which the create can have taken effect."""
        sent_us = doubt.admitted_us + ahead_us
        longest_us = (SEND_SECONDS + int(self._upstream.account.create_timeout_seconds)) * MICROSECONDS
        return Doubt(doubt, sent_us - SLACK_US, sent_us + longest_us + SLACK_US)

    async def _absent(self, reservation: Reservation, listing: Listing) -> None:
        """Release after the second complete listing without a candidate; none counts while one may still come."""
        now_us = await self._ledger.now_us()
        if now_us + listing.ahead_us <= self._span(reservation, listing.ahead_us).until_us:
            return
        if now_us - await self._ledger.absent(reservation.id) >= APART_US:
            log.warning("%s is proved absent upstream; released", reservation.id)
            await self._settlement.release(reservation.id, sent=True, reason="absent upstream")

    async def _list(self, since_us: int) -> Listing | None:
        """Read every page since a time of the store; None if it could not be read to its end."""
        newest = await self._page({"limit": 1})
        if newest is None:
            return None
        ahead_us = await self._ahead_us(newest[0])
        start = datetime.fromtimestamp((since_us + ahead_us - 4 * SLACK_US) / MICROSECONDS, UTC)
        found: dict[str, Execution] = {}
        for number in range(MOST_PAGES):
            page = await self._page({"limit": PAGE, "offset": number * PAGE, "from": start.isoformat()})
            if page is None:
                return None
            found.update((row.id, row) for row in page[1])
            if len(page[1]) < PAGE:
                return Listing(list(found.values()), ahead_us)
        log.warning("the list of executions has more than %d pages; nothing is concluded from it", MOST_PAGES)
        return None

    async def _page(self, parameters: dict[str, str | int]) -> tuple[Answer, list[Execution]] | None:
        """Read one page; None where upstream does not answer with one."""
        try:
            answer = await self._upstream.executions(parameters, self._upstream.account.keys[0].id)
        except (NotSent, OutcomeUnknown) as error:
            log.info("the list of executions could not be read: %s", error)
            return None
        rows = read_executions(answer.body) if answer.status == 200 else None
        if rows is None:
            log.warning("the list of executions is unreadable (status %d)", answer.status)
            return None
        return answer, rows

    async def _ahead_us(self, answer: Answer) -> int:
        """Compare upstream's own Date with the store's time; a Date has whole seconds, which SLACK_US covers."""
        date = answer.header(b"date")
        if date is None:
            return 0
        return int(parsedate_to_datetime(date).timestamp()) * MICROSECONDS - await self._ledger.now_us()
