"""What a reading of a prediction means for its money, over a real ledger."""

import pytest

from gateway.domain.reservation import How, Reservation, State
from gateway.settlement.settlement import COST_SECONDS
from gateway.upstream.answers import Phase, Reading
from settlement.conftest import World

HOLD = 100


async def running(world: World, estimate: int = 80) -> Reservation:
    held = await world.bench.admit(world.bench.postings(), HOLD, estimate=estimate, model="m")
    await world.bench.ledger.confirm(held.id, f"p-{held.id}", 5)
    return await world.record(held.id)


def reading(phase: Phase, cost: int | None, status: str = "") -> Reading:
    return Reading(phase, status or phase.value, cost)


@pytest.mark.parametrize(
    ("phase", "cost", "charged", "how"),
    [
        (Phase.SUCCEEDED, 70, 70, How.EXACT),
        (Phase.SUCCEEDED, HOLD, HOLD, How.EXACT),
        (Phase.SUCCEEDED, HOLD + 1, HOLD + 1, How.OVERRUN),
        (Phase.FAILED, None, 0, How.EXACT),
        (Phase.FAILED, 0, 0, How.EXACT),
        (Phase.FAILED, 30, 30, How.EXACT),
        (Phase.FAILED, HOLD + 1, HOLD + 1, How.OVERRUN),
        (Phase.CANCELLED, None, 0, How.EXACT),
        (Phase.CANCELLED, 12, 12, How.EXACT),
    ],
)
async def test_an_end_with_a_cost_is_settled_at_once(
    world: World, phase: Phase, cost: int | None, charged: int, how: How
) -> None:
    reservation = await running(world)
    assert await world.settlement.observe(reservation, reading(phase, cost, "word")) == charged
    ended = await world.record(reservation.id)
    assert (ended.state, ended.cost, ended.how, ended.status) == (State.SETTLED, charged, how, "word")
    assert world.settlements(how) == 1


async def test_what_still_runs_settles_nothing_whatever_cost_it_states(world: World) -> None:
    reservation = await running(world)
    assert await world.settlement.observe(reservation, reading(Phase.RUNNING, 70)) is None
    assert (await world.record(reservation.id)).state is State.RUNNING


@pytest.mark.parametrize("cost", [0, None])
async def test_a_success_without_a_cost_is_read_again_for_a_minute_and_then_assumed(
    world: World, cost: int | None
) -> None:
    reservation = await running(world)
    late = reading(Phase.SUCCEEDED, cost)
    assert await world.settlement.observe(reservation, late, may_assume=True) is None
    for _ in range(COST_SECONDS - 1):
        await world.advance(1)
        assert await world.settlement.observe(reservation, late, may_assume=True) is None
    assert (await world.record(reservation.id)).state is State.RUNNING
    await world.advance(1)
    assert await world.settlement.observe(reservation, late, may_assume=True) == reservation.estimate
    ended = await world.record(reservation.id)
    assert (ended.cost, ended.how) == (80, How.ASSUMED)
    assert (world.settlements("assumed"), world.settlements("exact")) == (1, 0)


async def test_a_cost_that_comes_within_the_minute_is_the_cost(world: World) -> None:
    reservation = await running(world)
    await world.settlement.observe(reservation, reading(Phase.SUCCEEDED, 0))
    await world.advance(COST_SECONDS - 1)
    assert await world.settlement.observe(reservation, reading(Phase.SUCCEEDED, 75)) == 75
    ended = await world.record(reservation.id)
    assert (ended.how, ended.ended_us) == (How.EXACT, await world.bench.now())


async def test_an_estimate_of_nothing_needs_no_cost(world: World) -> None:
    reservation = await running(world, estimate=0)
    assert await world.settlement.observe(reservation, reading(Phase.SUCCEEDED, None)) == 0
    assert (await world.record(reservation.id)).how is How.EXACT


async def test_who_comes_second_learns_what_the_first_settled_and_counts_nothing(world: World) -> None:
    reservation = await running(world)
    await world.settlement.observe(reservation, reading(Phase.SUCCEEDED, 70))
    for again in (reading(Phase.SUCCEEDED, 99), reading(Phase.FAILED, None), reading(Phase.SUCCEEDED, 0)):
        await world.advance(100)
        assert await world.settlement.observe(reservation, again, may_assume=True) == 70
    assert world.settlements("exact") == 1
    assert world.registry.get_sample_value("gateway_settled_usd_total", {"tenant": "t", "model": "other"}) == 7e-7


async def test_a_release_is_counted_once(world: World) -> None:
    held = await world.bench.admit(world.bench.postings())
    for _ in range(2):
        await world.settlement.release(held.id, sent=True, reason="answered 400")
    await world.settlement.release("stranger", sent=False, reason="no reply")
    assert world.settlements("released") == 1


async def test_what_is_still_held_is_settled_by_no_reading(world: World) -> None:
    held = await world.bench.admit(world.bench.postings())
    assert await world.settlement.observe(held, reading(Phase.SUCCEEDED, 5)) is None
    assert (await world.record(held.id)).state is State.HELD


@pytest.mark.parametrize("cost", [0, None])
async def test_a_doubt_is_not_assumed_by_a_reading_without_a_cost(world: World, cost: int | None) -> None:
    """A worker may know the prediction while the ledger, which missed its record, has the create in doubt."""
    held = await world.bench.admit(world.bench.postings(), HOLD)
    await world.bench.ledger.doubt(held.id, "its worker died", 0)
    assert await world.settlement.observe(held, reading(Phase.SUCCEEDED, cost)) is None
    assert (await world.record(held.id)).state is State.IN_DOUBT


async def test_a_cost_that_is_stated_after_the_assumption_is_charged_late(world: World) -> None:
    reservation = await running(world)
    await world.settlement.assume(reservation, "success")
    for _ in range(2):
        assert await world.settlement.observe(reservation, reading(Phase.SUCCEEDED, 90)) == 90
    ended = await world.record(reservation.id)
    assert (ended.cost, ended.how) == (90, How.LATE)
    assert (world.settlements(How.ASSUMED), world.settlements(How.LATE)) == (1, 1)


@pytest.mark.parametrize(
    ("estimate", "cost", "against"),
    [
        (HOLD, HOLD, "equal"),
        (HOLD, 70, "below"),
        (HOLD, HOLD + 1, "above"),
        (80, 80, "uncertain"),
        (80, 99, "uncertain"),
    ],
)
async def test_a_success_is_counted_by_its_cost_against_what_its_price_said(
    world: World, estimate: int, cost: int, against: str
) -> None:
    for _ in range(2):
        reservation = await running(world, estimate)
        for _ in range(2):  # a poll and the reconciler may both see the end
            await world.settlement.observe(reservation, reading(Phase.SUCCEEDED, cost, "success"))
    assert world.counted("gateway_billed_total") == {("other", against): 2}
    assert world.counted("gateway_billed_usd_total") == {("other",): pytest.approx(2 * cost / 1e8)}
    assert world.counted("gateway_billed_estimate_usd_total") == {("other",): pytest.approx(2 * estimate / 1e8)}


async def test_what_no_price_said_anything_of_is_not_counted_against_one(world: World) -> None:
    failed, assumed = await running(world, HOLD), await running(world, HOLD)
    held = await world.bench.admit(world.bench.postings(), HOLD, price_version="")
    await world.bench.ledger.confirm(held.id, f"p-{held.id}", 5)
    unpriced = await world.record(held.id)
    await world.settlement.observe(failed, reading(Phase.FAILED, 7, "error"))
    await world.settlement.assume(assumed, "success")
    await world.settlement.observe(unpriced, reading(Phase.SUCCEEDED, 7, "success"))
    assert world.counted("gateway_billed_total") == {}
