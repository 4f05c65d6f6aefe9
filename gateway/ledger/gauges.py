"""Gauges: how far every limit is used and what is open, read from the store for a scrape."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.domain.limit import Limit, LimitKind
from gateway.domain.window import bounds
from gateway.ledger.decisions import Capacity, Unfit
from gateway.ledger.lanes import Lane, Lanes
from gateway.ledger.postings import clock_key, counter_of
from gateway.ledger.views import Closure, Mail, Totals, Views

#: Reads in flight at a time; the pool of connections has this many.
AT_ONCE = 16


class LimitUse(NamedTuple):
    """A limit as it is in force, and its present use, in its own unit."""

    limit: Limit
    used: int
    held: int


class AccountGauges(NamedTuple):
    """What one account's ledger shows at a moment of its own time."""

    totals: Totals
    now_us: int
    in_flight: dict[str, int]
    limits: list[LimitUse]
    alerts: dict[tuple[str, str, str], int]
    mail: Mail
    closure: Closure | None
    lanes: list[Lane]
    rests: dict[str, Unfit]


async def read_gauges(
    views: Views, lanes: Lanes, limits: Iterable[Limit], upstream: Sequence[Capacity]
) -> AccountGauges:
    """Read everything that a scrape shows of one account. Raises LedgerUnavailable."""
    now_us = await views.now_us()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(limit: Limit) -> LimitUse:
        async with gate:
            return LimitUse(limit, *await read_use(views, limit, now_us))

    uses = await asyncio.gather(*(one(limit.at(now_us)) for limit in limits))
    in_flight = {key.id: await views.upstream_slots(key.id, now_us) for key in upstream}
    mail, totals = await views.mail(now_us), await views.totals()
    alerts, closure = await views.alerts(), await views.closure()
    waiting = await lanes.read(upstream)
    return AccountGauges(
        totals, now_us, in_flight, list(uses), alerts, mail, closure, waiting, await views.rests(now_us)
    )


async def read_use(views: Views, limit: Limit, now_us: int) -> tuple[int, int]:
    """Read the use of a limit that is in force: used and held, in its own unit. Raises LedgerUnavailable."""
    counter = counter_of(limit)
    if counter:
        counted = await views.counted(counter, bounds(counter.window, counter.zone, now_us).start_us)
        return (counted.predictions, 0) if limit.kind is LimitKind.COUNT else (counted.charged, counted.held)
    if limit.kind is LimitKind.RATE:
        empty_us = await views.clock_us(clock_key(views.prefix, limit))
        return -(-max(empty_us - now_us, 0) // limit.interval_us), 0
    return await views.slots(limit.scope, now_us), 0
