"""Upstream's list of executions, read to its end, and the difference between its clock and the store's."""

import logging
from collections.abc import Collection, Container, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateway.domain.reservation import Reservation
from gateway.domain.window import MICROSECONDS
from gateway.ledger.ledger import Ledger
from gateway.pricing import WORKFLOW_PREFIX
from gateway.upstream.answers import Execution, Reading, read_executions, read_input, read_workflow_executions
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown
from gateway.upstream.digest import digest_input
from gateway.upstream.eachlabs import Eachlabs

log = logging.getLogger("gateway.listing")

PAGE = 100
MOST_PAGES = 50
#: An execution may have been created this long before the send or after the deadline, by upstream's own clock.
SLACK_US = 5 * MICROSECONDS
#: A slower answer tells too little of upstream's clock: its Date may be from any time of the wait.
SLOWEST_US = 2 * MICROSECONDS


class Listing(NamedTuple):
    """Every execution of a span, and how far upstream's clock is ahead of the store's (microseconds)."""

    executions: list[Execution]
    ahead_us: int

    def without(self, known: Container[str]) -> "Listing":
        """Leave out the executions of which it is known whose they are."""
        return self._replace(executions=[each for each in self.executions if each.id not in known])


class Lister:
    """Reads one account's executions. None always means: nothing can be concluded."""

    def __init__(self, ledger: Ledger, upstream: Eachlabs) -> None:
        self._ledger = ledger
        self._upstream = upstream

    async def between(self, first_us: int, last_us: int, workflows: Collection[str] = ()) -> Listing | None:
        """Read every execution that was created between two times of the store, and a little more on either side.

        Those of workflows stand in lists of their own, and are read for the ones that are named.
        """
        ahead_us = await self.ahead_us()
        if ahead_us is None:
            return None
        start_us = first_us + ahead_us - 4 * SLACK_US
        lists = [await self._all(start_us, {"to": in_query(last_us + ahead_us + 4 * SLACK_US)})]
        lists += [await self.of_workflow(workflow, start_us) for workflow in workflows]
        if None in lists:
            return None
        return Listing([each for found in lists for each in found or ()], ahead_us)

    async def reading_of(self, reservation: Reservation) -> Reading | None:
        """Read what the list says of one prediction; its cost stands there even where a poll has none."""
        ahead_us = await self.ahead_us()
        if ahead_us is None:
            return None
        start_us = reservation.admitted_us + ahead_us - 4 * SLACK_US
        end_us = start_us + 600 * MICROSECONDS
        executions = await self._all(start_us, {"model": reservation.model, "to": in_query(end_us)})
        return next((e.reading for e in executions or () if e.id == reservation.prediction), None)

    async def input_digests(self, executions: Sequence[Execution]) -> dict[str, str]:
        """Poll executions for the inputs that they ran; gives execution id → digest where upstream tells one."""
        return {id_: digest_input(given) for id_, given in (await self.inputs(executions)).items()}

    async def inputs(self, executions: Sequence[Execution]) -> dict[str, dict[str, Any]]:
        """Poll executions for the inputs that they ran; gives execution id → input where upstream tells it."""
        found = {}
        for execution in executions:
            try:
                answer = await self._upstream.poll(execution.id, self._upstream.account.keys[0].id)
            except (NotSent, OutcomeUnknown):
                continue
            given = read_input(answer.body) if answer.status == 200 else None
            if given is not None:
                found[execution.id] = given
        return found

    async def of_workflow(self, model: str, first_us: int) -> list[Execution] | None:
        """Read the executions of a workflow that were created after a time of upstream's, and a few older ones."""
        workflow, key = model.removeprefix(WORKFLOW_PREFIX), self._upstream.account.keys[0].id
        found: list[Execution] = []
        for number in range(MOST_PAGES):
            try:
                pages = {"limit": PAGE, "offset": number * PAGE}
                answer = await self._upstream.workflow_executions(workflow, pages, key)
            except (NotSent, OutcomeUnknown) as error:
                log.info("the executions of %s could not be read: %s", model, error)
                return None
            rows = read_workflow_executions(answer.body, model) if answer.status == 200 else None
            if rows is None:
                return None
            found += rows
            if not rows or min(row.created_us for row in rows) < first_us:
                return found
        return None

    async def newest(self, wanted: Collection[str], most_pages: int) -> list[Execution]:
        """Read the list from its newest end, so many pages at the most, for what it says of some executions."""
        found: list[Execution] = []
        offset = 0
        for _ in range(most_pages):
            page = await self.page({"limit": PAGE, "offset": offset})
            if page is None or not page[1]:
                break
            found += [row for row in page[1] if row.id in wanted]
            offset += len(page[1])
            if len(found) >= len(wanted):
                break
        return found

    async def _all(self, start_us: int, filters: dict[str, str | int]) -> list[Execution] | None:
        """Read page after page until an empty one: upstream may give fewer rows a page than it is asked for."""
        found: dict[str, Execution] = {}
        offset = 0
        for _ in range(MOST_PAGES):
            page = await self.page({"limit": PAGE, "offset": offset, "from": in_query(start_us), **filters})
            if page is None or not page[1]:
                return None if page is None else list(found.values())
            found.update((row.id, row) for row in page[1])
            offset += len(page[1])
        log.warning("the list of executions has more than %d pages; nothing is concluded from it", MOST_PAGES)
        return None

    async def page(self, parameters: dict[str, str | int]) -> tuple[Answer, list[Execution]] | None:
        """Read one page, with the answer that it stands in."""
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

    async def ahead_us(self) -> int | None:
        """Compare upstream's own Date with the store's time; it has whole seconds, which SLACK_US covers."""
        before_us = await self._ledger.now_us()
        page = await self.page({"limit": 1})
        after_us = await self._ledger.now_us()
        date_us = page[0].date_us() if page else None
        if date_us is None or after_us - before_us > SLOWEST_US:
            return None
        return date_us - (before_us + after_us) // 2


def in_query(us: int) -> str:
    """Write a time (microseconds) as the parameters of upstream's list take it."""
    return datetime.fromtimestamp(us / MICROSECONDS, UTC).isoformat()
