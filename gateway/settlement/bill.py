"""The bill: upstream's executions of a span of any length, for the ledger to be compared with."""

import asyncio
from collections.abc import Sequence

from gateway.domain.window import MICROSECONDS
from gateway.settlement.listing import PAGE, Lister, Listing, in_query
from gateway.upstream.answers import Execution

#: No more is asked of upstream for one bill: 200,000 executions.
MOST_PAGES = 2_000
#: A span that has more pages than this is read in halves: far down a long list every page is slow.
SPAN_PAGES = 50
_DAY_US = 86_400 * MICROSECONDS
#: Pauses before each try to read a page, in seconds.
PAUSES = (0.0, 0.5, 2.0)


class BillUnreadable(Exception):
    """Says why the bill cannot be had whole; nothing can be concluded from a part of it."""


class BillReader:
    """Reads one account's bill; what is beside the lister bounds how."""

    def __init__(
        self,
        lister: Lister,
        span_pages: int = SPAN_PAGES,
        most_pages: int = MOST_PAGES,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._lister = lister
        self._span_pages = span_pages
        self._left = most_pages
        self._pauses = pauses

    async def read(self, first_us: int, last_us: int) -> Listing:
        """Read every execution that was created between two times of the store (microseconds).

        Raises BillUnreadable.
        """
        ahead_us = await self._ahead_us()
        start, end = first_us + ahead_us, last_us + ahead_us
        spans = [(day, min(day + _DAY_US, end)) for day in range(start, end, _DAY_US)]
        found: dict[str, Execution] = {}
        while spans:
            first, last = spans.pop()
            rows = await self._span(first, last)
            if rows is None:
                middle = (first + last) // 2
                spans += [(first, middle), (middle, last)]
            else:
                found |= rows
        return Listing(list(found.values()), ahead_us)

    async def _span(self, first_us: int, last_us: int) -> dict[str, Execution] | None:
        """Read page after page until an empty one; None where there are too many."""
        found: dict[str, Execution] = {}
        offset = 0
        for _ in range(self._span_pages):
            rows = await self._page(
                {"limit": PAGE, "offset": offset, "from": in_query(first_us), "to": in_query(last_us)}
            )
            if not rows:
                return found
            found.update((row.id, row) for row in rows)
            offset += len(rows)
        return None

    async def _page(self, parameters: dict[str, str | int]) -> list[Execution]:
        if not self._left:
            raise BillUnreadable("the list of executions is too long to be read at once; name a shorter period")
        self._left -= 1
        for pause in self._pauses:
            await asyncio.sleep(pause)
            page = await self._lister.page(parameters)
            if page is not None:
                return page[1]
        raise BillUnreadable("upstream's list of executions cannot be read; nothing is concluded from a part of it")

    async def _ahead_us(self) -> int:
        for pause in self._pauses:
            await asyncio.sleep(pause)
            ahead_us = await self._lister.ahead_us()
            if ahead_us is not None:
                return ahead_us
        raise BillUnreadable("upstream's list of executions cannot be read, or does not tell upstream's time (Date)")
