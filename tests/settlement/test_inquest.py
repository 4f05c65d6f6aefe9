"""Creates whose answer never came, looked for in a real listing until there is a proof or the horizon."""

import pytest

from gateway.domain.reservation import How, State
from settlement.conftest import PRICE, Start, World


async def states(world: World, *reservations: str) -> list[State]:
    return [(await world.record(each)).state for each in reservations]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "garbage", "mid_answer"])
async def test_a_create_whose_answer_was_lost_is_found_and_settled(world: World, fault: str) -> None:
    reservation = await world.create(fault)
    assert await states(world, reservation) == [State.IN_DOUBT]
    await world.advance(6)
    await world.look()
    found = await world.record(reservation)
    assert (found.state, [found.prediction]) == (State.RUNNING, await world.executions())
    await world.look()
    ended = await world.record(reservation)
    assert (ended.state, ended.cost, ended.how, ended.status) == (State.SETTLED, PRICE, How.EXACT, "success")
    assert world.settlements("exact") == 1
    assert await world.bench.counted("tenant/t") == (0, 0, 0)  # no limit counts there


@pytest.mark.parametrize("fault", ["cut_before", "500_before"])
async def test_a_create_that_never_ran_is_released_after_two_lists_a_minute_apart(world: World, fault: str) -> None:
    reservation = await world.create(fault, doubt_s=0)
    await world.look()
    await world.advance(36)
    await world.look()  # it could still have begun
    await world.advance(2)
    await world.look()
    first = await world.bench.now()
    while await world.bench.now() < first + 59_000_000:
        await world.advance(1)
        await world.look()
        assert await states(world, reservation) == [State.IN_DOUBT]
    for _ in range(61):
        await world.advance(1)
        await world.look()
    ended = await world.record(reservation)
    assert (ended.state, ended.how, ended.cost) == (State.RELEASED, How.RELEASED, 0)
    assert world.settlements("released") == 1


async def test_a_list_that_cannot_be_read_proves_nothing(world: World) -> None:
    reservation = await world.create("cut_before", doubt_s=0)
    await world.advance(40)
    await world.faults(executions=["500", "ok", "500", "cut", "garbage", "mid_answer", "401", "ok", "404"] * 3)
    for _ in range(14):
        await world.advance(61)
        await world.look()
    assert await states(world, reservation) == [State.IN_DOUBT]


async def test_a_doubt_without_evidence_until_the_horizon_is_charged_at_its_estimate(world: World) -> None:
    reservation = await world.create("cut_before", doubt_s=0)
    await world.faults(executions=["500"] * 100)
    await world.advance(24 * 3600 - 1)
    await world.look()
    assert await states(world, reservation) == [State.IN_DOUBT]
    await world.advance(61)
    await world.look()
    ended = await world.record(reservation)
    assert (ended.state, ended.cost, ended.how) == (State.SETTLED, PRICE, How.ASSUMED)


async def test_executions_that_appear_late_in_the_list_are_still_found(start: Start) -> None:
    world = await start(executions_lag_seconds=50)
    reservation = await world.create("cut_after")
    for _ in range(70):
        await world.advance(2)
        await world.look()
    assert (await world.record(reservation)).prediction in await world.executions()


@pytest.mark.parametrize("ahead", [-3600, 3600])
async def test_upstreams_own_clock_does_not_matter(start: Start, ahead: int) -> None:
    world = await start(ahead=ahead)
    lost, ran = await world.create("cut_before"), await world.create("ok")
    await world.advance(40)
    found = await world.create("cut_after")
    await world.advance(6)
    await world.look()
    assert await states(world, lost, found) == [State.IN_DOUBT, State.RUNNING]
    assert [(await world.record(each)).prediction for each in (ran, found)] == await world.executions()


async def test_doubts_of_two_tenants_are_assigned_to_neither(world: World) -> None:
    mine, theirs = await world.create("cut_after", "t"), await world.create("cut_before", "s")
    for _ in range(8):
        await world.advance(61)
        await world.look()
    assert await states(world, mine, theirs) == [State.IN_DOUBT] * 2


@pytest.mark.parametrize("first", ["t", "s"])
async def test_a_doubt_that_is_not_due_yet_keeps_its_execution_from_another_tenants(world: World, first: str) -> None:
    """Only the second create ran; only the first is looked for. Its tenant must not be charged for the other's."""
    never_ran = await world.create("cut_before", first, doubt_s=5)
    await world.advance(1)
    ran = await world.create("cut_after", "u", doubt_s=50)
    await world.advance(5)
    await world.look()
    assert await states(world, never_ran, ran) == [State.IN_DOUBT] * 2
    await world.advance(50)
    await world.look()
    assert await states(world, never_ran, ran) == [State.IN_DOUBT] * 2


async def test_doubts_of_one_tenant_are_found_together_one_execution_each(world: World) -> None:
    """Not before the list is complete for all of them: until then it is not certain what a third one could have."""
    doubts = [await world.create(fault) for fault in ("cut_after", "cut_before", "cut_after")]
    await world.advance(6)
    await world.look()
    assert await states(world, *doubts) == [State.IN_DOUBT] * 3
    await world.advance(120)
    await world.look()
    records = [await world.record(each) for each in doubts]
    found = [each.prediction for each in records if each.prediction]
    assert sorted(found) == sorted(await world.executions())
    assert sorted(each.state for each in records) == [State.IN_DOUBT, State.RUNNING, State.RUNNING]


async def test_an_execution_that_a_reservation_owns_is_nobody_elses(world: World) -> None:
    await world.create("ok")
    doubt = await world.create("cut_before")
    await world.advance(6)
    await world.look()
    assert await states(world, doubt) == [State.IN_DOUBT]


async def test_an_execution_that_may_belong_to_a_create_in_flight_is_left_alone(world: World) -> None:
    doubt = await world.create("cut_before", "t")
    flying = await world.hold("s")
    prediction = await world.send()
    await world.advance(6)
    await world.look()
    assert await states(world, doubt, flying) == [State.IN_DOUBT, State.HELD]
    assert prediction is not None
    await world.bench.ledger.confirm(flying, prediction, 5)
    await world.advance(2)
    await world.look()
    assert await states(world, doubt) == [State.IN_DOUBT]


async def test_a_create_whose_worker_died_after_sending_is_found(world: World) -> None:
    reservation = await world.hold(stale_s=45)
    await world.send()
    await world.advance(44)
    await world.look()
    assert await states(world, reservation) == [State.HELD]
    await world.advance(1)
    await world.look()
    assert await states(world, reservation) == [State.IN_DOUBT]
    await world.look()
    await world.advance(1)
    await world.look()
    assert await states(world, reservation) == [State.SETTLED]


async def test_another_model_is_another_prediction(world: World) -> None:
    order = world.bench.order(PRICE, model="another-model", tenant="t")
    await world.bench.ledger.reserve(order, world.bench.postings(), [("main", 9, 9)])
    await world.bench.ledger.doubt(order.id, "no answer", 0)
    await world.send()
    await world.look()
    assert await states(world, order.id) == [State.IN_DOUBT]
