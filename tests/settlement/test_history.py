"""Doubts that upstream's own record of its webhooks decides, where its list of executions could not."""

import pytest

from gateway.domain.reservation import State
from gateway.settlement import history
from settlement.conftest import Start, World
from settlement.test_arrivals import ended


@pytest.fixture
async def world(start: Start) -> World:
    """A world in which upstream notes its webhooks, and nobody hears them."""
    return await start(public_url="http://127.0.0.1:1", webhook_retry_seconds=0)


async def states(world: World, *reservations: str) -> list[State]:
    return [(await world.record(each)).state for each in reservations]


async def test_the_record_decides_between_equal_doubts_of_two_tenants(world: World) -> None:
    await world.faults(webhooks=["dropped"])
    lost, ran = await world.create("cut_before"), await world.create("cut_after", "s")
    await ended(world)
    await world.advance(3)
    await world.look()
    assert await states(world, lost, ran) == [State.IN_DOUBT, State.RUNNING]
    assert [(await world.record(ran)).prediction] == await world.executions()
    for _ in range(14):
        await world.advance(10)
        await world.look()
    assert await states(world, lost, ran) == [State.RELEASED, State.SETTLED]


async def test_an_execution_whose_address_names_another_create_is_no_candidate(world: World) -> None:
    """The other is no doubt yet: its worker may still record the answer."""
    doubt = await world.create("cut_before", doubt_s=40)
    flying = await world.hold("s", stale_s=600)
    await world.send(reservation=flying)
    await ended(world)
    for _ in range(14):
        await world.advance(10)
        await world.look()
    assert await states(world, doubt, flying) == [State.RELEASED, State.HELD]


@pytest.mark.parametrize("fault", ["500", "cut", "garbage", "404"])
async def test_a_record_that_cannot_be_read_proves_nothing(world: World, fault: str) -> None:
    doubts = [await world.create("cut_after"), await world.create("cut_after", "s")]
    await ended(world, 2)
    await world.faults(history=[fault])
    await world.advance(3)
    await world.look()
    assert await states(world, *doubts) == [State.IN_DOUBT] * 2
    await world.advance(3)
    await world.look()
    assert await states(world, *doubts) == [State.RUNNING] * 2


async def test_every_page_is_read_until_it_is_older_than_the_oldest_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 1)
    await world.create()
    await ended(world)
    await world.advance(300)
    doubts = [await world.create("cut_after", tenant) for tenant in "tsu"]
    await ended(world, 4)
    found = await world.history.named(5_000_000)
    assert list(found.values()) == doubts[::-1]
    assert sorted(found) == sorted((await world.executions())[1:])


async def test_without_a_public_address_nothing_is_asked(start: Start) -> None:
    world = await start()
    await world.faults(history=["500"])
    assert await world.history.named(10**15) == {}
    waiting = (await world.http.post("/sandbox/faults", json={})).json()
    assert waiting["history"] == ["500"]


async def test_a_doubt_whose_own_execution_an_equal_one_was_given_ends(start: Start) -> None:
    """The list told of one execution and could not say whose; the record comes with its end and says: the other's."""
    world = await start(public_url="http://127.0.0.1:1", webhook_retry_seconds=0, seconds=200)
    ran, lost = await world.create("cut_after"), await world.create("cut_before")
    for _ in range(6):
        await world.advance(20)
        await world.look()
    assert await states(world, ran, lost) == [State.IN_DOUBT, State.RUNNING]
    await world.advance(100)
    await ended(world)
    assert list((await world.history.named(10**9)).values()) == [ran]
    for _ in range(8):
        await world.advance(20)
        await world.look()
    assert await states(world, ran, lost) == [State.RELEASED, State.SETTLED]


async def test_equal_doubts_of_which_one_was_given_the_others_execution_end_with_one_each(world: World) -> None:
    """The worker that had found both from the list died between the two records."""
    doubts = [await world.create("cut_after") for _ in range(3)]
    first, second, third = await world.executions()
    await world.settlement.found(doubts[1], first)
    await world.settlement.found(doubts[2], second)
    await ended(world, 3)
    for _ in range(4):
        await world.advance(10)
        await world.look()
    assert await states(world, *doubts) == [State.SETTLED] * 3
    assert [(await world.record(each)).prediction for each in doubts] == [third, first, second]
