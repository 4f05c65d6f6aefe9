"""Doubts that the same execution could belong to, told apart by what each of them asked for."""

import msgspec

from gateway.domain.reservation import How, State
from gateway.upstream.digest import digest_input
from settlement.conftest import INPUT, MODEL, World

#: The account's in_doubt_hours, as it is by default.
HORIZON_S = 24 * 3600


async def doubt(world: World, fault: str, *, who: str, doubt_s: float = 0, **more: str) -> str:
    """Send a create that is cut; `who` stands in its input. Gives the reservation's id."""
    asked = INPUT | {"prompt": who}
    reservation = await world.hold(input_digest=digest_input(asked), **more)
    await world.faults(creates=[fault])
    assert await world.send(msgspec.json.encode({"model": MODEL, "input": asked})) is None
    await world.bench.ledger.doubt(reservation, fault, doubt_s)
    return reservation


async def states(world: World, *reservations: str) -> list[State]:
    return [(await world.record(each)).state for each in reservations]


async def minutes(world: World, count: int) -> None:
    for _ in range(count * 12):
        await world.advance(5)
        await world.look()


async def test_a_prediction_is_given_to_the_request_whose_input_it_ran(world: World) -> None:
    never = await doubt(world, "cut_before", who="a", key="a")
    ran = await doubt(world, "cut_after", who="b", key="b")
    await minutes(world, 3)
    assert await states(world, never, ran) == [State.RELEASED, State.SETTLED]


async def test_two_tenants_with_two_inputs_each_get_their_own(world: World) -> None:
    first = await doubt(world, "cut_after", who="x", tenant="x")
    second = await doubt(world, "cut_after", who="y", tenant="y")
    await minutes(world, 1)
    runs = await world.executions()
    assert [(await world.record(each)).prediction for each in (first, second)] == runs


async def test_equal_inputs_of_two_keys_stay_undecided_and_held(world: World) -> None:
    doubts = [await doubt(world, "cut_after", who="same", key=key) for key in ("a", "b")]
    await minutes(world, 3)
    assert await states(world, *doubts) == [State.IN_DOUBT, State.IN_DOUBT]


async def test_a_doubt_that_is_due_alone_does_not_take_the_execution_of_an_older_one(world: World) -> None:
    """Seen under attack: the older one was not due, its own execution fell out of the younger one's span, and the
    younger one was proved absent although it had run."""
    older = await doubt(world, "cut_after", who="same", doubt_s=60)
    await world.advance(6.2)
    younger = await doubt(world, "cut_after", who="same", doubt_s=0)
    await minutes(world, 3)
    assert await states(world, older, younger) == [State.SETTLED, State.SETTLED]
    found = {(await world.record(each)).prediction for each in (older, younger)}
    assert found == set(await world.executions())


async def test_rivals_reach_the_horizon_together_and_neither_is_given_the_others_execution(world: World) -> None:
    """The older one is past its horizon first; without it, the one execution would look like the younger one's."""
    ran = await doubt(world, "cut_after", who="same", key="a")
    await world.advance(3)
    never = await doubt(world, "cut_before", who="same", key="b")
    await world.advance(HORIZON_S - 7)
    await minutes(world, 1)
    records = [await world.record(each) for each in (ran, never)]
    assert [(each.state, each.how, each.prediction) for each in records] == [(State.SETTLED, How.ASSUMED, None)] * 2
