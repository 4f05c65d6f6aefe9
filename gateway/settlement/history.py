"""The history: what upstream says of the webhooks that it sent, in which our addresses tell whose each one is."""

import logging
from typing import NamedTuple

from gateway.domain.address import Addresses
from gateway.domain.window import MICROSECONDS
from gateway.upstream.client import NotSent, OutcomeUnknown
from gateway.upstream.eachlabs import Eachlabs
from gateway.upstream.webhooks import Sent, read_history, read_sent

log = logging.getLogger("gateway.history")

PAGE = 100
MOST_PAGES = 20
#: Upstream's Date has whole seconds, and what was sent last may stand in the list a little later.
SLACK_US = 60 * MICROSECONDS


class Record(NamedTuple):
    """Whether upstream has a record of an execution's webhook, and which reservation its address names."""

    exists: bool
    reservation: str | None = None


class _Page(NamedTuple):
    """How many rows a page of the list had, and those of them that are recent enough."""

    rows: int
    recent: list[Sent]


class History:
    """Reads one account's webhooks. What it names is proved: an address is given to one create, and cannot be
    made without the secret. What it does not name may still be to come, since a record begins at the end of a run."""

    def __init__(self, upstream: Eachlabs, addresses: Addresses) -> None:
        self._upstream = upstream
        self._addresses = addresses

    async def of(self, execution: str, key: str) -> Record | None:
        """Ask for the webhook of one execution; None where upstream does not answer."""
        try:
            answer = await self._upstream.webhook(execution, key)
        except (NotSent, OutcomeUnknown):
            return None
        if answer.status == 404:
            return Record(exists=False)
        sent = read_sent(answer.body) if answer.status == 200 else None
        if sent is None or sent.execution != execution:
            return None
        return Record(exists=True, reservation=self._reservation(sent))

    async def named(self, age_us: int) -> dict[str, str]:
        """Give execution → reservation for what was sent in the last `age_us`, as far as upstream tells it.

        Where no address was ever given there is nothing to ask.
        """
        found: dict[str, str] = {}
        offset = 0
        for _ in range(MOST_PAGES if self._addresses.public_url else 0):
            page = await self._page(offset, age_us)
            for each in page.recent:
                reservation = self._reservation(each)
                if reservation is not None and each.execution:
                    found[each.execution] = reservation
            if len(page.recent) < page.rows or not page.rows:
                break
            offset += page.rows  # upstream may give fewer rows a page than it is asked for
        return found

    async def _page(self, offset: int, age_us: int) -> _Page:
        """Read a page, the newest first; an empty one where it cannot be read."""
        try:
            answer = await self._upstream.webhooks(
                {"limit": PAGE, "offset": offset}, self._upstream.account.keys[0].id
            )
        except (NotSent, OutcomeUnknown) as error:
            log.info("upstream's list of webhooks could not be read: %s", error)
            return _Page(0, [])
        rows = read_history(answer.body) if answer.status == 200 else None
        if rows is None:
            log.info("upstream's list of webhooks is unreadable (status %d)", answer.status)
            return _Page(0, [])
        # Records are dated by upstream's clock; without it all of them are recent.
        first_us = (answer.date_us() or 0) - age_us - SLACK_US
        return _Page(len(rows), [each for each in rows if each.created_us >= first_us])

    def _reservation(self, sent: Sent) -> str | None:
        return self._addresses.reservation_at(self._upstream.account.id, sent.url)
