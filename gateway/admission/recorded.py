"""Recorded creates: what journal and log of refusals have of a span of time, replayed in its order."""

import uuid
from collections.abc import AsyncIterator, Callable

from gateway.admission.replay import ADMITTED, Replay
from gateway.admission.tally import Tally
from gateway.admission.wish import Undecidable, Wish
from gateway.domain.window import MICROSECONDS
from gateway.ledger.journal import Entry, Reserved
from gateway.ledger.past import Past, read_past, read_since
from gateway.ledger.postings import counter_of
from gateway.ledger.refused import Refusal, read_refusals
from gateway.ledger.store import Store

#: Replayed before the span that is asked for, so that rates and slots are as they would be.
WARM_UP_US = 10 * 60 * MICROSECONDS


async def replay_span(
    store: Store, replaying: Replay, from_us: int, tally: Tally, told: Callable[[int], None]
) -> None:
    """Replay one account: how things stood, the time before the span to warm up, and the span, which is counted."""
    begin_us = from_us - WARM_UP_US
    limits = replaying.policy.limits(replaying.account)
    counters = {counter for limit in limits if (counter := counter_of(limit))}
    past = await read_past(store, replaying.account, counters, begin_us)
    if past.dropped:
        tally.notes["entries of the journal were trimmed: what they used is not known"] += past.dropped
    carried = False
    async for each in _merged(store, replaying.account, past, begin_us):
        if not carried and each.at_us >= begin_us:  # what was open then is back in its place
            await replaying.scratch.carry_over(past.sums, begin_us)
            carried = True
        told(each.at_us)
        if isinstance(each, Entry) and not isinstance(each.fact, Reserved):
            await replaying.follow(each)
        else:
            await _decide(replaying, _wish(each), tally if each.at_us >= from_us else Tally())


async def _decide(replaying: Replay, wish: Wish, tally: Tally) -> None:
    replaying.notes.clear()
    try:
        tally.add(wish, await replaying.decide(wish))
    except Undecidable as reason:
        tally.notes[f"creates cannot be decided again: {reason}"] += 1
    tally.notes += replaying.notes


async def _merged(store: Store, account: str, past: Past, begin_us: int) -> AsyncIterator[Entry | Refusal]:
    """Give entries and refusals in the order of time; the refusals are few enough to be sorted."""
    refusals = sorted([each async for each in read_refusals(store, account, begin_us)], key=lambda each: each.at_us)
    refusals.reverse()
    async for entry in read_since(store, account, past):
        while refusals and refusals[-1].at_us <= entry.at_us:
            yield refusals.pop()
        yield entry
    while refusals:
        yield refusals.pop()


def _wish(recorded: Entry | Refusal) -> Wish:
    """Take a create from what was recorded of it."""
    if isinstance(recorded, Refusal):
        labels = (recorded.tenant, recorded.key, recorded.model, recorded.price_version)
        money, name = (recorded.estimate, recorded.hold), uuid.uuid4().hex
        return Wish(name, recorded.at_us, *labels, *money, recorded.code.value, recorded.facts)
    fact, whose = recorded.fact, recorded.labels
    if not isinstance(fact, Reserved):
        raise TypeError(f"a {type(fact).__name__} is not how a create begins")
    labels = (whose.tenant, whose.key, whose.model, whose.price_version)
    return Wish(fact.reservation, fact.at_us, *labels, fact.estimate, fact.hold, ADMITTED, fact.facts)
