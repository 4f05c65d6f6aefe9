"""Looks: one question to upstream for everybody who asks within a second, on whatever worker."""

import asyncio

import pytest
from ledger.bench import SCRIPTS

from gateway.domain.reservation import Reservation
from gateway.ledger.sightings import Sightings
from gateway.ledger.store import connect
from gateway.settlement.looks import HEADER_BYTES, LOOK_BYTES, Kept, Look, Looks
from gateway.upstream.client import OutcomeUnknown
from settlement.conftest import PRICE, World


async def polls(world: World) -> int:
    await asyncio.sleep(0)  # they are counted at the end of a turn
    count = world.registry.get_sample_value("gateway_upstream_request_duration_seconds_count", {"operation": "poll"})
    return int(count or 0)


def worker(world: World, kept: Kept | None = None, url: str | None = None) -> Looks:
    """Another worker's looks: what it keeps is its own, upstream and store are shared."""
    store = connect(url) if url else world.bench.store
    sightings = Sightings(store, SCRIPTS, "up")
    return Looks(sightings, world.upstream, world.settlement, kept or Kept(world.clock.time))


async def running(world: World) -> tuple[Reservation, str]:
    record = await world.record(await world.create())
    assert record.prediction
    return record, record.prediction


async def test_whoever_asks_within_a_second_gets_the_same_answer_and_its_age(world: World) -> None:
    whose = await running(world)
    together = await asyncio.gather(*(world.looks.at(*whose) for _ in range(50)))
    assert await polls(world) == 1
    assert len({look.body for _, look in together}) == 1
    await world.advance(0.9)
    age_s, _ = await world.looks.at(*whose)
    assert (await polls(world), round(age_s, 1)) == (1, 0.9)
    await world.advance(0.2)
    age_s, _ = await world.looks.at(*whose)
    assert (await polls(world), age_s) == (2, 0)


async def test_workers_share_what_one_of_them_saw(world: World) -> None:
    whose = await running(world)
    _, first = await world.looks.at(*whose)
    await world.advance(0.5)
    age_s, second = await worker(world).at(*whose)
    assert (await polls(world), second) == (1, first)
    assert age_s >= 0.5
    await world.advance(0.6)
    await worker(world).at(*whose)
    assert await polls(world) == 2


async def test_a_worker_shows_what_it_has_while_another_one_asks_and_else_waits_for_it(world: World) -> None:
    whose = await running(world)
    seen, new = worker(world), worker(world)
    await seen.at(*whose)
    await world.advance(2)
    asked = await Sightings(world.bench.store, SCRIPTS, "up").ask(whose[1])  # a worker that takes its time
    age_s, _ = await seen.at(*whose)
    assert (await polls(world), age_s) == (1, 2)
    waiting = asyncio.ensure_future(new.at(*whose))
    done, _ = await asyncio.wait((waiting,), timeout=0.3)
    assert not done
    await Sightings(world.bench.store, SCRIPTS, "up").tell(whose[1], asked, b"")  # it saw nothing: anybody may ask
    await waiting
    assert await polls(world) == 2


async def test_the_end_is_settled_by_the_first_look_and_never_asked_for_again(world: World) -> None:
    whose = await running(world)
    await world.advance(5)
    _, look = await world.looks.at(*whose)
    assert (look.cost, look.final) == (PRICE, True)
    assert (await world.record(whose[0].id)).cost == PRICE
    await world.advance(100)
    age_s, again = await world.looks.at(*whose)
    assert (await polls(world), again, age_s) == (1, look, 100)


async def test_an_answer_that_tells_nothing_is_not_kept_and_anybody_may_ask_again(world: World) -> None:
    whose = await running(world)
    await world.faults(polls=["500", "cut", "401"])
    _, look = await world.looks.at(*whose)
    assert look.status == 500
    with pytest.raises(OutcomeUnknown):
        await worker(world).at(*whose)
    assert (await world.looks.at(*whose))[1].status == 401
    assert (await worker(world).at(*whose))[1].status == 200
    assert await polls(world) == 4


async def test_a_worker_that_is_alone_does_without_the_store(world: World) -> None:
    whose = await running(world)
    alone = Looks(None, world.upstream, world.settlement, Kept(world.clock.time))
    asked = (await world.bench.redis.info("commandstats"))["cmdstat_evalsha"]
    together = await asyncio.gather(*(alone.at(*whose) for _ in range(50)))
    assert (await polls(world), len({look.body for _, look in together})) == (1, 1)
    assert (await world.bench.redis.info("commandstats"))["cmdstat_evalsha"] == asked


async def test_a_right_that_is_over_tells_nothing(world: World) -> None:
    sightings = Sightings(world.bench.store, SCRIPTS, "up")
    first = await sightings.ask("p")
    await world.advance(1)
    second = await sightings.ask("p")
    assert (first.sighting, second.sighting) == (None, None)
    await sightings.tell("p", first, b"old")
    assert (await sightings.ask("p")).sighting == b""
    await sightings.tell("p", second, b"new")
    assert (await sightings.ask("p")).sighting == b"new"


async def test_without_the_store_each_worker_asks_for_itself_once_a_second(world: World) -> None:
    whose = await running(world)
    alone = worker(world, url="redis://127.0.0.1:1")
    for _ in range(3):
        await alone.at(*whose)
    assert await polls(world) == 1


async def test_who_is_stopped_while_he_asks_leaves_it_to_the_next_who_waits(world: World) -> None:
    whose = await running(world)
    alone = Looks(None, world.upstream, world.settlement, Kept(world.clock.time))
    first, *others = (asyncio.ensure_future(alone.at(*whose)) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    assert [look.status for _, look in await asyncio.gather(*others)] == [200, 200]
    assert (first.cancelled(), await polls(world)) == (True, 2)


async def test_whoever_waits_shares_a_failure_and_who_hangs_up_takes_no_answer_from_the_others(world: World) -> None:
    whose = await running(world)
    await world.faults(polls=["cut"])
    failed = await asyncio.gather(*(world.looks.at(*whose) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in failed] == [OutcomeUnknown] * 3
    _, second, third = tasks = [asyncio.ensure_future(world.looks.at(*whose)) for _ in range(3)]
    await asyncio.sleep(0)
    second.cancel()
    assert (await third)[1].status == 200
    assert ((await tasks[0])[1].status, await polls(world)) == (200, 2)


def test_what_is_kept_is_bounded_and_the_least_used_goes_first() -> None:
    kept = Kept(lambda: 0.0, most_bytes=10 * (LOOK_BYTES + HEADER_BYTES + 40))
    looks = {name: Look(200, [(b"x", b"y")], name.encode() * 40, None, False) for name in "abcdefghijklmnop"}
    for name, look in looks.items():
        kept.keep("up", name, look)
        assert kept.find("up", "a") == (0, looks["a"])  # it is used all the time
    found = [name for name in looks if kept.find("up", name)]
    assert 5 <= len(found) <= 10
    assert found == ["a", *list(looks)[1 - len(found) :]]


def test_what_was_seen_of_one_account_is_not_shown_in_another() -> None:
    kept, look = Kept(lambda: 0.0), Look(200, [], b"{}", None, False)
    kept.keep("up", "p", look)
    assert (kept.find("up", "p"), kept.find("second", "p")) == ((0, look), None)
