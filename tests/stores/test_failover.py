"""Failovers of a real pair whose replica was behind: found out before anything is admitted, and told again."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ledger.bench import NOON_US, SCRIPTS, SECOND, TENANT, WIDE, Bench, budget, nothing_changes
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.domain.reservation import How, State
from gateway.ledger.audit import Auditor
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.decisions import Admitted, Answered, Closed, OverLimit
from gateway.ledger.journal import Closed as ClosedEntry
from gateway.ledger.journal import read_journal
from gateway.ledger.ledger import Ledger
from gateway.ledger.memory import Remembered
from gateway.ledger.store import Store, connect
from gateway.ledger.trimming import Trimmer
from gateway.ledger.upkeep import KEEP_SECONDS, Upkeep
from stores.replicated import Replicated, replicated
from stores.servers import ENGINES, Yard

LIMIT = budget(100)


@dataclass
class Pair(Replicated):
    """A ledger on a replicated store."""

    bench: Bench

    def another_worker(self) -> Ledger:
        return Ledger(self.bench.store, SCRIPTS, "up")


@asynccontextmanager
async def bench_at(port: int) -> AsyncIterator[Bench]:
    store = connect(f"redis://127.0.0.1:{port}")
    async with Redis(port=port, retry=Retry(NoBackoff(), 1)) as redis:
        yield Bench(redis, store)
    await store.aclose()


@pytest.fixture
async def pair(request: pytest.FixtureRequest, ground: Yard) -> AsyncIterator[Pair]:
    engine = getattr(request, "param", "valkey")
    async with replicated(ground, engine) as store, bench_at(store.way.port) as bench:
        await bench.at(NOON_US)
        yield Pair(**vars(store), bench=bench)


async def audited(store: Store) -> None:
    """See that the ledger is right, also when all of its journal is in the checkpoint alone."""
    report = await Auditor(store, SCRIPTS, "up").verify()
    assert report.faults == []
    await Checkpoint(store, SCRIPTS, "up").roll()
    trimmed = await Trimmer(store, SCRIPTS, "up").drop_old(0)
    assert (trimmed.faults, trimmed.dropped) == ([], report.entries)
    assert await store.read("XLEN", "{up}:journal") == 0
    assert (await Auditor(store, SCRIPTS, "up").verify()).faults == []


@pytest.mark.parametrize("pair", ENGINES, indirect=True)
async def test_what_a_failover_lost_is_told_again_by_the_worker_that_admitted_it(pair: Pair) -> None:
    bench, other = pair.bench, pair.another_worker()
    postings = bench.postings(LIMIT)
    await other.attend()
    await bench.settled(postings, 10)
    pair.pause()
    await bench.advance(1)
    held = bench.order(10, idempotency=("key", "print"))
    await bench.ledger.reserve(held, postings, WIDE)
    running = await bench.admit(postings, 10)
    await bench.ledger.confirm(running.id, "p-running", 5)
    ended = await bench.settled(postings, 10)
    dropped = await bench.admit(postings, 10)
    await bench.ledger.release(dropped.id, sent=False, reason="refused")
    assert await bench.counted() == (20, 20, 4)

    pair.fail_over()
    await bench.at(NOON_US + 2 * SECOND)
    assert await bench.counted() == (10, 0, 1)
    for worker in (other, bench.ledger):  # whoever comes first
        assert isinstance(await worker.reserve(bench.order(), postings, WIDE), Closed)
    assert len((await other.attend()).awaited) == 1
    assert (await bench.ledger.attend()).awaited == ()

    assert await bench.counted() == (10, 30, 4)
    assert (await bench.record(held.id)).sent_us == NOON_US + SECOND
    assert (await bench.record(running.id)).prediction == "p-running"
    assert (await bench.record(ended.id)).state is State.RUNNING  # and is settled again by who polls it
    presence = await other.attend()
    assert not presence.open
    assert await other.reopen(presence.epoch, "gateway", "all were there")
    await bench.ledger.confirm(held.id, "p-held", 5, (200, b"its answer"))
    assert await bench.reserve(postings, idempotency=("key", "print")) == Answered(held.id, 200, b"its answer")
    settled = await bench.ledger.settle(ended.id, 10, How.EXACT, "success")
    assert settled is not None
    assert settled.first
    assert isinstance(await bench.reserve(postings, 61), OverLimit)
    assert isinstance(await bench.reserve(postings, 60), Admitted)
    assert await bench.counted() == (20, 80, 5)
    await audited(bench.store)


async def test_what_is_settled_on_the_new_server_before_the_loss_is_found_out_hides_nothing_of_it(pair: Pair) -> None:
    bench, other = pair.bench, pair.another_worker()
    postings = bench.postings(budget(10_000))
    await other.attend()
    running = await bench.admit(postings, 10)
    for each in [running, *[await bench.admit(postings, 10) for _ in range(110)]]:  # entries of another kind, many
        await bench.ledger.confirm(each.id, f"p-{each.id}", 5)
    pair.pause()
    await bench.advance(1)
    lost = await bench.admit(postings, 10)

    pair.fail_over()
    await bench.at(NOON_US + 2 * SECOND)
    await other.settle(running.id, 10, How.EXACT, "success")
    presence = await other.attend()
    assert (presence.open, presence.from_us) == (False, NOON_US)
    await bench.ledger.attend()
    assert (await bench.record(lost.id)).hold == 10
    await audited(bench.store)


async def test_an_admission_that_was_swept_is_not_looked_for(pair: Pair) -> None:
    """Its prediction has no owner any more, and would be charged once more."""
    bench, postings = pair.bench, pair.bench.postings(LIMIT)
    old = await bench.admit(postings, 10)
    await bench.ledger.confirm(old.id, "p-old", 5)
    await bench.advance(60)
    await bench.ledger.settle(old.id, 10, How.EXACT, "success")
    await bench.advance(KEEP_SECONDS)
    assert await Upkeep(bench.store, SCRIPTS, "up").sweep() == 1
    pair.pause()
    pair.fail_over()
    assert (await pair.another_worker().attend()).from_us == NOON_US + 60 * SECOND


async def test_what_is_told_again_waits_until_the_loss_is_found_out(pair: Pair) -> None:
    """Else its entry, written to the new server, would look as if nothing before it had been lost."""
    bench = pair.bench
    postings = bench.postings(LIMIT)
    await bench.prime(postings)
    pair.pause()
    order = bench.order(10)
    await bench.ledger.reserve(order, postings, WIDE)
    pair.fail_over()
    assert await bench.ledger.readmit(Remembered(order, postings, NOON_US, "main"))
    assert [entry.event async for entry in read_journal(bench.store, "up")] == ["close", "reserve"]


async def test_the_journal_says_where_it_broke_off_and_gives_no_number_twice(pair: Pair) -> None:
    bench = pair.bench
    await bench.settled(bench.postings(LIMIT), 1)
    pair.pause()
    await bench.admit(bench.postings(budget(7)), 1, model="another")  # so that a label is lost too
    seen = [entry.sequence async for entry in read_journal(bench.store, "up")]
    assert seen == [1, 2, 3, 4]
    pair.fail_over()
    await bench.ledger.attend()
    entries = [entry async for entry in read_journal(bench.store, "up")]
    (closed,) = [entry for entry in entries if isinstance(entry.fact, ClosedEntry)]
    assert isinstance(closed.fact, ClosedEntry)
    assert (closed.fact.survived, closed.fact.why) == (3, "failover")
    assert closed.sequence > max(seen)
    assert [entry.labels.model for entry in entries if entry.event == "reserve"] == ["m", "another"]
    assert sorted(map(int, await bench.redis.hkeys("{up}:labels:n"))) == [1, 1_000_002]
    await audited(bench.store)


async def test_a_worker_that_was_cut_off_tells_what_it_knows_when_it_comes_back(pair: Pair) -> None:
    """Two primaries for a while: what the old one admitted is charged where it can still be."""
    bench, postings = pair.bench, pair.bench.postings(LIMIT)
    await bench.prime(postings)
    pair.pause()
    pair.replica.redis.execute_command("REPLICAOF", "NO", "ONE")
    taken, late = await bench.admit(postings, 10), await bench.admit(postings, 20)
    await bench.ledger.confirm(taken.id, "p-taken", 5)
    async with bench_at(pair.replica.port) as elsewhere:
        presence = await elsewhere.ledger.attend()
        assert await elsewhere.ledger.reopen(presence.epoch, "gateway", "nobody else was there")
        found = await elsewhere.admit(postings, 10, id="lost_p-taken")
        await elsewhere.ledger.confirm(found.id, "p-taken", 5)

    pair.fail_over()
    await bench.ledger.attend()
    assert await bench.views.reservation(taken.id) is None  # what it ran is charged already
    assert (await bench.record(late.id)).hold == 20
    assert await bench.counted() == (0, 30, 2)
    assert isinstance(await bench.reserve(postings), Admitted)
    await audited(bench.store)


async def test_a_server_that_was_restarted_is_used_at_once(pair: Pair) -> None:
    postings = pair.bench.postings(LIMIT)
    await pair.bench.admit(postings)
    pair.primary.kill()
    pair.primary.start()
    assert isinstance(await pair.bench.reserve(postings), Admitted)
    assert await pair.bench.counted() == (0, 20, 2)


async def test_a_store_that_was_emptied_admits_nothing(pair: Pair) -> None:
    postings = pair.bench.postings(LIMIT)
    await pair.bench.admit(postings)
    await pair.bench.ledger.attend()
    await pair.bench.redis.flushall()
    await pair.bench.at(NOON_US)
    assert isinstance(await pair.bench.reserve(postings), Closed)
    closure = await pair.bench.views.closure()
    assert closure is not None
    assert (closure.why, closure.survived) == ("emptied", 0)


async def test_an_older_copy_in_the_stores_place_admits_nothing_while_a_worker_has_seen_more(
    pair: Pair, tmp_path: Path
) -> None:
    primary, postings = pair.primary, pair.bench.postings(LIMIT)
    await pair.bench.admit(postings)
    shutil.copytree(primary.folder, tmp_path / "backup", ignore=shutil.ignore_patterns("log"))
    await pair.bench.admit(postings)
    await pair.bench.ledger.attend()
    primary.kill()
    shutil.rmtree(primary.folder / "appendonlydir")
    shutil.copytree(tmp_path / "backup", primary.folder, dirs_exist_ok=True)
    primary.start()
    await pair.bench.at(NOON_US)
    assert isinstance(await pair.bench.reserve(postings), Closed)
    await pair.bench.ledger.attend()
    assert await pair.bench.counted(TENANT) == (0, 20, 2)
    closure = await pair.bench.views.closure()
    assert closure is not None
    assert closure.why == "rolled back"


async def test_while_it_is_closed_a_create_changes_nothing_and_the_use_of_limits_can_be_asked(pair: Pair) -> None:
    postings = pair.bench.postings(LIMIT)
    await pair.bench.admit(postings)
    pair.replica.caught_up(pair.primary)
    pair.fail_over()
    bench = pair.bench
    await bench.ledger.attend()
    decision = await nothing_changes(bench, bench.reserve(postings))
    assert isinstance(decision, Closed)
    asked = await bench.reserve(postings, dry=True)
    assert isinstance(asked, Closed)
    assert [(use.used, use.held) for use in asked.uses] == [(0, 10)]
