"""Every state meets every event, in the real scripts; the table of the domain says what becomes of it."""

import pytest

from gateway.domain.reservation import TRANSITIONS, Event, How, State
from ledger.bench import ACCOUNT, TENANT, Bench, budget, concurrency, count, nothing_changes, rate

LIMITS = (
    budget(1000),
    budget(1000, ACCOUNT),
    count(1000),
    rate(60, 50),
    concurrency(1000),
)
PATHS: dict[State, tuple[Event, ...]] = {
    State.HELD: (),
    State.RUNNING: (Event.CONFIRM,),
    State.IN_DOUBT: (Event.DOUBT,),
    State.SETTLED: (Event.CONFIRM, Event.SETTLE),
    State.RELEASED: (Event.RELEASE,),
}
LONG_PATHS = {
    State.RUNNING: (Event.DOUBT, Event.CONFIRM, Event.FINISH),
    State.SETTLED: (Event.DOUBT, Event.SETTLE),
    State.RELEASED: (Event.DOUBT, Event.RELEASE),
}
CASES = [(path, state, event) for paths in (PATHS, LONG_PATHS) for state, path in paths.items() for event in Event]


async def apply(bench: Bench, event: Event, reservation: str, variant: int = 0) -> object:
    """Let an event happen; another variant carries other words, as a late or forged repeat might."""
    match event:
        case Event.CONFIRM:
            return await bench.ledger.confirm(reservation, f"p{variant}-{reservation}", 5)
        case Event.DOUBT:
            return await bench.ledger.doubt(reservation, f"reason {variant}", 5)
        case Event.FINISH:
            return await bench.ledger.finish(reservation, f"success{variant}", 2)
        case Event.SETTLE:
            return await bench.ledger.settle(reservation, 7 + variant, How.ASSUMED, f"success{variant}")
        case Event.RELEASE:
            return await bench.ledger.release(reservation, sent=bool(variant), reason=f"reason {variant}")


async def driven(bench: Bench, path: tuple[Event, ...]) -> str:
    """Take one reservation along a path, beside another one that must never be touched."""
    postings = bench.postings(*LIMITS)
    await bench.admit(postings, 100)
    reservation = (await bench.admit(postings, 10, idempotency=("key", "print"))).id
    for event in path:
        await apply(bench, event, reservation)
    return reservation


@pytest.mark.parametrize(("path", "state", "event"), CASES)
async def test_every_event_does_in_every_state_what_the_table_says_and_its_repeat_nothing(
    bench: Bench, path: tuple[Event, ...], state: State, event: Event
) -> None:
    reservation = await driven(bench, path)
    assert (await bench.record(reservation)).state is state
    before, wanted = await bench.dump(), TRANSITIONS.get((state, event))
    await apply(bench, event, reservation)
    after = await bench.dump()
    if wanted is None or (Event.FINISH in path and event is Event.FINISH):
        assert after == before
    else:
        assert after != before
    assert (await bench.record(reservation)).state is (wanted or state)
    await bench.advance(30)
    for variant in (0, 1):
        if (wanted or state, event) not in TRANSITIONS or event is Event.FINISH:
            await nothing_changes(bench, apply(bench, event, reservation, variant))


@pytest.mark.parametrize("event", [event for event in Event if event is not Event.RELEASE])
async def test_an_event_of_an_unknown_reservation_writes_nothing(bench: Bench, event: Event) -> None:
    await bench.prime(bench.postings(*LIMITS))
    await nothing_changes(bench, apply(bench, event, "stranger"))


@pytest.mark.parametrize("event", Event)
async def test_an_event_of_a_tombstone_writes_nothing(bench: Bench, event: Event) -> None:
    await bench.ledger.release("late", sent=False, reason="no reply")
    assert await nothing_changes(bench, apply(bench, event, "late")) in (None, False, State.RELEASED, 0)
    assert await bench.views.reservation("late") is None


async def test_a_repeat_is_answered_as_the_first_was(bench: Bench) -> None:
    held = await driven(bench, ())
    assert [await apply(bench, Event.CONFIRM, held) for _ in range(2)] == [State.RUNNING] * 2
    first = await apply(bench, Event.FINISH, held)
    await bench.advance(7)
    assert await apply(bench, Event.FINISH, held) == first
    settled, again = [await bench.ledger.settle(held, cost, How.EXACT, "success") for cost in (7, 8)]
    assert settled is not None
    assert settled == (7, How.EXACT, True)
    assert again == (7, How.EXACT, False)
    assert await apply(bench, Event.FINISH, held) == first


async def test_a_prediction_belongs_to_one_reservation_for_good(bench: Bench) -> None:
    postings = bench.postings(*LIMITS)
    first, second = await bench.admit(postings), await bench.admit(postings)
    await bench.ledger.confirm(first.id, "p", 5)
    assert await nothing_changes(bench, bench.ledger.confirm(second.id, "p", 5)) is None
    assert (await bench.record(second.id)).state is State.HELD
    assert await bench.views.owner("p") == first.id


async def test_slots_are_free_from_the_end_that_was_seen_and_money_from_the_settlement(bench: Bench) -> None:
    reservation = await driven(bench, (Event.CONFIRM,))
    now = await bench.now()
    taken = (await bench.views.slots(TENANT, now), await bench.views.upstream_slots("main", now))
    await apply(bench, Event.FINISH, reservation)
    assert taken == (2, 2)
    assert (await bench.views.slots(TENANT, now), await bench.views.upstream_slots("main", now)) == (1, 1)
    assert (await bench.counted()).held == 110
    await apply(bench, Event.SETTLE, reservation)
    assert await bench.counted() == (7, 100, 2)


async def test_a_cost_above_the_hold_is_charged_and_told_as_an_overrun(bench: Bench) -> None:
    reservation = await driven(bench, (Event.CONFIRM,))
    settled = await bench.ledger.settle(reservation, 11, How.ASSUMED, "success")
    assert settled is not None
    assert settled.how is How.OVERRUN
    assert await bench.counted() == (11, 100, 2)


@pytest.mark.parametrize("cost", [-1, 2**53])
async def test_a_cost_out_of_range_is_refused_before_it_is_written(bench: Bench, cost: int) -> None:
    reservation = await driven(bench, (Event.CONFIRM,))
    with pytest.raises(ValueError, match="out of range"):
        await nothing_changes(bench, bench.ledger.settle(reservation, cost, How.EXACT, "success"))


async def test_a_cost_that_upstream_states_is_recorded_once_it_is_known_of_which_prediction(bench: Bench) -> None:
    """A failover may have lost that, while a poll is on its way."""
    held = (await bench.admit(bench.postings(*LIMITS), 10)).id
    await bench.ledger.doubt(held, "its worker died", 5)
    assert await nothing_changes(bench, bench.ledger.settle(held, 7, How.EXACT, "success")) is None
    await bench.ledger.confirm(held, "p", 5)
    settled = await bench.ledger.settle(held, 7, How.EXACT, "success")
    assert settled is not None
    assert settled.first
