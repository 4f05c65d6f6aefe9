"""What nobody polls is settled all the same, by the reconciler and the sandbox's own answers."""

import asyncio
import time

import pytest

from gateway.domain.reservation import How, State
from gateway.ledger.store import LedgerUnavailable
from settlement.conftest import PRICE, World


async def until_ended(world: World, reservation: str, most: int) -> int:
    """Look once a second; gives how many it took."""
    for second in range(most):
        if (await world.record(reservation)).ended_us is not None:
            return second
        await world.advance(1)
        await world.look()
    raise AssertionError(f"{reservation} has not ended after {most} s")


async def test_an_end_that_nobody_polls_is_settled_within_ten_seconds_of_it(world: World) -> None:
    reservation = await world.create()
    assert await until_ended(world, reservation, 13) <= 12  # it runs for 2 s
    ended = await world.record(reservation)
    assert (ended.state, ended.cost, ended.how) == (State.SETTLED, PRICE, How.EXACT)


@pytest.mark.parametrize(
    ("fault", "cost", "how"),
    [
        ("0.5", 50_000_000, How.OVERRUN),
        ("0.001", 100_000, How.EXACT),
        ("zero", PRICE, How.ASSUMED),
        ("absent", PRICE, How.ASSUMED),
        ("absent_in_polls", PRICE, How.EXACT),
        ("zero_once", PRICE, How.EXACT),
        ("fail", 0, How.EXACT),
        ("fail:0.002", 200_000, How.EXACT),
    ],
)
async def test_each_end_costs_what_upstream_states_or_the_estimate(
    world: World, fault: str, cost: int, how: How
) -> None:
    await world.faults(costs=[fault])
    reservation = await world.create()
    await until_ended(world, reservation, 90)
    ended = await world.record(reservation)
    assert (ended.cost, ended.how) == (cost, how)


async def test_polls_that_fail_are_repeated_and_prove_nothing(world: World) -> None:
    await world.faults(polls=["500", "cut", "garbage", "404", "mid_answer", "429"])
    reservation = await world.create()
    await until_ended(world, reservation, 60)
    assert (await world.record(reservation)).cost == PRICE


async def test_a_prediction_that_never_ends_is_charged_at_its_estimate_after_the_horizon(world: World) -> None:
    await world.faults(polls=["500"] * 10)
    reservation = await world.create()
    await world.advance(24 * 3600 + 590)
    await world.look()
    assert (await world.record(reservation)).state is State.RUNNING
    await world.advance(60)
    await world.look()
    ended = await world.record(reservation)
    assert (ended.state, ended.cost, ended.how) == (State.SETTLED, PRICE, How.ASSUMED)


async def test_what_ended_while_no_gateway_ran_for_longer_than_the_horizon_is_charged_at_its_cost(
    world: World,
) -> None:
    await world.faults(costs=["0.009"])
    reservation = await world.create()
    await world.advance(3 * 24 * 3600)
    await world.look()
    ended = await world.record(reservation)
    assert (ended.state, ended.cost, ended.how) == (State.SETTLED, 900_000, How.EXACT)


async def test_one_reservation_that_fails_does_not_keep_the_others_from_their_end(world: World) -> None:
    broken = await world.hold()
    await world.bench.ledger.confirm(broken, "no such prediction", 1)
    await world.bench.redis.hset(f"{{up}}:r:{broken}", "upstream", "a-key-that-is-no-more")
    others = [await world.create() for _ in range(3)]
    await world.advance(3)
    await world.look()
    assert [(await world.record(each)).state for each in others] == [State.SETTLED] * 3
    assert (await world.record(broken)).state is State.RUNNING


async def test_two_reconcilers_at_once_settle_each_reservation_once(world: World) -> None:
    reservations = [await world.create() for _ in range(8)]
    await world.advance(3)
    await asyncio.gather(*(world.look() for _ in range(4)))
    records = [await world.record(each) for each in reservations]
    assert [each.cost for each in records] == [PRICE] * 8
    assert world.settlements("exact") == 8


async def test_it_runs_by_itself_and_survives_an_outage_of_the_store(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, failures = world.bench.ledger.claim, iter((LedgerUnavailable("away"), None))

    async def flaky(*spans: float) -> list[object]:
        if error := next(failures, None):
            raise error
        return await claim(*spans)

    monkeypatch.setattr(world.bench.ledger, "claim", flaky)
    reservation = await world.create()
    await world.advance(3)
    running, begun = asyncio.create_task(world.reconciler.run()), time.monotonic()
    while (await world.record(reservation)).ended_us is None:
        assert time.monotonic() - begun < 10
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
