"""Present use: how far limits are used, those too that the ledger has not counted yet."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.domain.limit import Limit, LimitKind
from gateway.domain.window import bounds
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.fold import Place, added
from gateway.ledger.gauges import LimitUse, read_use
from gateway.ledger.postings import Counted, Counter, counter_of
from gateway.ledger.reading import Reading
from gateway.ledger.rolling import add_up
from gateway.ledger.rows import Rows, batches
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store
from gateway.ledger.views import Views


async def read_present(
    store: Store, scripts: Mapping[str, Script], account: str, limits: Iterable[Limit]
) -> list[LimitUse]:
    """Give the use of limits of an account, of another policy perhaps than the one in force; changes nothing.

    A counter that is new, or was away, is brought up by the next create from the journal; here it is read from
    there. Raises LedgerUnavailable.
    """
    views = Views(store, account)
    now_us = await views.now_us()
    in_force = [limit.at(now_us) for limit in limits]
    places = {limit: _place(counter, now_us) for limit in in_force if (counter := counter_of(limit))}
    unread = [place for place in set(places.values()) if not await views.is_complete(place.counter, place.start_us)]
    sums = await _from_journal(store, scripts, account, unread) if unread else {}
    return [
        _counted(limit, sums[places[limit]])
        if limit in places and places[limit] in sums
        else LimitUse(limit, *await read_use(views, limit, now_us))
        for limit in in_force
    ]


def _place(counter: Counter, now_us: int) -> Place:
    return Place(counter, bounds(counter.window, counter.zone, now_us).start_us)


async def _from_journal(
    store: Store, scripts: Mapping[str, Script], account: str, places: Sequence[Place]
) -> dict[Place, Counted]:
    """Add up what the checkpoint has, and the journal behind it."""
    at = await Checkpoint(store, scripts, account).position()
    reading = Reading(store, account, places, at.without_journal(), {})
    rows = Rows(store, scripts, account)
    sums: dict[Place, Counted] = {}
    for batch in batches(places):
        moment, found = await rows.read(batch)
        await reading.advance(moment.sequence)
        tail = reading.behind(moment.rolled)
        for place, row in zip(batch, found, strict=True):
            sums[place] = add_up(added(part.counted, tail.of(each)) for each, part in row.checkpoint.items())
    return sums


def _counted(limit: Limit, sums: Counted) -> LimitUse:
    if limit.kind is LimitKind.COUNT:
        return LimitUse(limit, sums.predictions, 0)
    return LimitUse(limit, sums.charged, sums.held)
