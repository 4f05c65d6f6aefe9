"""The log of refusals: written beside the requests, bounded, and lost without harm."""

import asyncio
from typing import Any

import pytest

from gateway.domain.errors import Code
from gateway.ledger import refused
from gateway.ledger.refused import GATHERED, Refusal, RefusalLog, count_lost, read_refusals
from gateway.ledger.store import connect
from ledger.bench import NOON_US, SCRIPTS, Bench


class Keeper:
    """Runs what is kept, and waits for it."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def __call__(self, work: Any) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    async def done(self) -> None:
        await asyncio.gather(*self.tasks)


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Keeper:
    monkeypatch.setattr(refused, "GATHER_SECONDS", 0)
    return Keeper()


def refusal(number: int) -> Refusal:
    return Refusal(NOON_US + number, "t", "k", "m", Code.BUDGET_EXCEEDED, "v1", 10, 12, '{"num_images":2}')


async def read(bench: Bench, from_us: int = 0) -> list[Refusal]:
    return [each async for each in read_refusals(bench.store, "up", from_us)]


async def test_refusals_are_read_as_they_were_noted(bench: Bench, keeper: Keeper) -> None:
    log = RefusalLog(bench.store, SCRIPTS, "up", keeper)
    for number in range(3):
        log.note(refusal(number))
    assert len(keeper.tasks) == 1  # written together
    await keeper.done()
    log.note(refusal(3))
    await keeper.done()
    assert await read(bench) == [refusal(number) for number in range(4)]


async def test_refusals_from_a_time_on_are_read(bench: Bench, keeper: Keeper) -> None:
    log = RefusalLog(bench.store, SCRIPTS, "up", keeper)
    now_us = await bench.views.now_us()
    for at_us in (now_us, now_us + 60_000_000):
        log.note(Refusal(at_us, "t", "k", "m", Code.RATE_EXCEEDED, "", 0, 0, ""))
    await keeper.done()
    assert [each.at_us for each in await read(bench, now_us + 1)] == [now_us + 60_000_000]


async def test_a_flood_is_cut_and_counted(bench: Bench, keeper: Keeper) -> None:
    log = RefusalLog(bench.store, SCRIPTS, "up", keeper)
    for number in range(GATHERED + 7):
        log.note(refusal(number))
    await keeper.done()
    assert len(await read(bench)) == GATHERED
    assert await count_lost(bench.store, "up") == 7


async def test_with_the_store_away_they_are_lost_and_counted_later(bench: Bench, keeper: Keeper) -> None:
    log = RefusalLog(connect("redis://127.0.0.1:1"), SCRIPTS, "up", keeper)
    log.note(refusal(1))
    await keeper.done()
    log._store = bench.store
    log.note(refusal(2))
    await keeper.done()
    assert await read(bench) == [refusal(2)]
    assert await count_lost(bench.store, "up") == 1


async def test_the_log_is_no_part_of_the_ledger(bench: Bench, keeper: Keeper) -> None:
    before = await bench.store.read("GET", "{up}:seq"), await bench.store.read("GET", "{up}:clock")
    RefusalLog(bench.store, SCRIPTS, "up", keeper).note(refusal(1))
    await keeper.done()
    assert (await bench.store.read("GET", "{up}:seq"), await bench.store.read("GET", "{up}:clock")) == before
