"""When a prediction that nobody polls is looked at, and how little upstream is asked for that."""

import itertools
import statistics

import pytest
from ledger.bench import SECOND

from gateway.ledger.run_times import MOST_RUNS, RunTimes
from gateway.settlement.running import MOST_POLLS
from gateway.settlement.schedule import LONGEST_SECONDS, TICK_SECONDS, seconds_to_look
from settlement.conftest import Start, World

TICK_US = int(TICK_SECONDS * SECOND)


@pytest.mark.parametrize(
    ("runs", "elapsed_s", "expected_s"),
    [
        ((), 0, 4),  # nothing is recorded: the policy's usual time
        ((9, 9), 0, 4),  # two runs say too little
        ((2, 3, 3), 0, 3),
        ((2, 3, 3), 2.5, 0.5),  # of those that took longer, the middle one
        ((2, 3, 3), 5, 6),  # longer than any recorded
        ((60, 70, 80), 0, 6),  # a run may fail at once
    ],
)
def test_a_look_falls_on_the_tick_after_the_time_that_the_record_tells(
    runs: tuple[float, ...], elapsed_s: float, expected_s: float
) -> None:
    now_us = 10 * TICK_US + 1
    at_us = now_us + round(seconds_to_look(runs, 4, elapsed_s, now_us) * SECOND)
    assert at_us % TICK_US == 0
    assert expected_s * SECOND < at_us - now_us <= expected_s * SECOND + TICK_US


def test_between_two_looks_lie_eight_seconds_at_the_most() -> None:
    waits = [
        seconds_to_look(runs, 1000, elapsed, elapsed * SECOND)
        for runs, elapsed in itertools.product([(), (1, 2, 3), (500, 600, 700)], range(900))
    ]
    assert max(waits) <= LONGEST_SECONDS + TICK_SECONDS
    assert min(waits) > 0


async def asked(world: World) -> tuple[int, int]:
    """How often upstream was asked: (polls, lists)."""
    totals = (await world.http.get("/sandbox/books")).json()["totals"]
    return totals["polls"], totals["listings"]


async def test_what_nobody_polls_is_settled_soon_and_lists_do_for_polls(start: Start) -> None:
    world = await start(run_seconds={"flux-2-klein-4b-base-edit": (4, 9)}, concurrent=1000, creates_per_minute=10_000)
    ids, half_seconds = [], 0
    while not ids or any([(await world.record(each)).ended_us is None for each in ids]):
        assert half_seconds < 400
        if half_seconds < 60:
            ids.append(await world.create())
        await world.advance(0.5)
        await world.look()
        half_seconds += 1
    books = (await world.http.get("/sandbox/books")).json()
    ended = {entry["id"]: entry["ended_at"] for entry in books["creates"]}
    records = [await world.record(each) for each in ids]
    delays = [(each.ended_us or 0) / SECOND - ended[each.prediction or ""] for each in records]
    assert len(delays) == 60
    assert statistics.median(delays) <= 2
    assert max(delays) <= 10
    polls, lists = await asked(world)
    assert polls + lists < 60  # less than one call for each


async def test_the_time_that_a_run_took_is_kept_and_of_a_model_the_last_ones_alone(start: Start) -> None:
    world = await start(seconds=3)
    first = await world.create()
    await world.advance(4)
    await world.look()
    assert (await world.record(first)).cost
    assert await runs_of(world) == (3.0,)
    failed = await world.create()
    await world.faults(costs=["fail"])
    await world.advance(9)
    await world.look()
    assert (await world.record(failed)).ended_us
    assert await runs_of(world) == (3.0,)  # a failure tells nothing of how long a run takes
    await world.bench.redis.lpush("{up}:runs:flux-2-klein-4b-base-edit", *[5000] * (MOST_RUNS + 9))
    await world.create()
    await world.advance(9)
    await world.look()
    assert await runs_of(world) == (3.0, *[5.0] * (MOST_RUNS - 1))


async def runs_of(world: World) -> tuple[float, ...]:
    """What a worker that has just started reads."""
    fresh = RunTimes(world.bench.store, "up")
    fresh.of("flux-2-klein-4b-base-edit")
    await fresh.refresh()
    return fresh.of("flux-2-klein-4b-base-edit")


async def test_after_an_outage_one_round_asks_upstream_a_bounded_number_of_times(start: Start) -> None:
    world = await start(concurrent=1000, executions_lag_seconds=10**6)  # the list shows none of them
    ids = [await world.create() for _ in range(2 * MOST_POLLS)]
    await world.advance(3600)
    await world.look()
    polls, lists = await asked(world)
    assert (polls, lists <= 4) == (MOST_POLLS, True)
    for _ in range(20):
        await world.advance(2)
        await world.look()
    assert all([(await world.record(each)).ended_us for each in ids])


async def test_after_an_outage_one_list_settles_what_it_shows(start: Start) -> None:
    world = await start(concurrent=1000)
    ids = [await world.create() for _ in range(40)]
    await world.advance(300)
    await world.look()
    assert all([(await world.record(each)).ended_us for each in ids])
    assert await asked(world) == (0, 1)
