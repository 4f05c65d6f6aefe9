"""Calls that arrive late, twice, or after the release that was sent behind them."""

import pytest

from gateway.domain.reservation import State
from gateway.ledger.decisions import Admitted, Order
from gateway.ledger.ledger import Ledger
from gateway.ledger.postings import Postings
from gateway.ledger.requests import LATE_SECONDS
from gateway.ledger.store import LedgerUnavailable
from ledger.bench import SCRIPTS, SECOND, WIDE, Bench, budget, concurrency, nothing_changes, rate

LIMITS = (budget(1000), rate(60, 20), concurrency(20))


async def raw_reserve(bench: Bench, order: Order, postings: Postings, at: int) -> list[object]:
    """Send one reserve as a worker would that reckons the store's time to be `at`."""
    request = await bench.request(order, postings, postings.at(await bench.now()))
    return await bench.store.run(SCRIPTS["reserve"], postings.prefix, request | {"at": at})


async def test_a_reserve_that_arrives_late_is_refused_and_holds_nothing(bench: Bench) -> None:
    postings, now = bench.postings(*LIMITS), await bench.now()
    await bench.prime(postings)
    late = now - LATE_SECONDS * SECOND - 1
    assert await nothing_changes(bench, raw_reserve(bench, bench.order(), postings, late)) == [b"late", now]
    admitted = await raw_reserve(bench, bench.order(), postings, late + 1)
    assert admitted[0] == b"admitted"


async def test_a_worker_whose_reckoning_is_old_asks_again_by_itself(bench: Bench) -> None:
    postings = bench.postings(*LIMITS)
    await bench.admit(postings)
    await bench.advance(3600)
    assert isinstance(await bench.reserve(postings), Admitted)


async def test_a_worker_that_is_ahead_of_the_store_is_served(bench: Bench) -> None:
    postings = bench.postings(*LIMITS)
    await bench.prime(postings)
    ahead = await bench.now() + 3600 * SECOND
    assert (await raw_reserve(bench, bench.order(), postings, ahead))[0] == b"admitted"


async def test_a_reserve_behind_its_own_release_finds_the_tombstone_and_holds_nothing(bench: Bench) -> None:
    postings, order = bench.postings(*LIMITS), bench.order()
    await bench.prime(postings)
    assert not await bench.ledger.release(order.id, sent=False, reason="the reserve was not answered")
    with pytest.raises(LedgerUnavailable, match="already released"):
        await nothing_changes(bench, bench.ledger.reserve(order, postings, WIDE))
    assert await bench.redis.ttl(f"{postings.prefix}:r:{order.id}") > 2 * LATE_SECONDS
    assert await bench.views.totals() == (0, 0, None)


async def test_a_release_behind_the_reserve_gives_all_of_it_back(bench: Bench) -> None:
    postings, order = bench.postings(*LIMITS), bench.order()
    await bench.ledger.reserve(order, postings, WIDE)
    assert await bench.ledger.release(order.id, sent=False, reason="the reserve was not answered")
    assert not await bench.ledger.release(order.id, sent=False, reason="the reserve was not answered")
    now = await bench.now()
    assert await bench.counted() == (0, 0, 0)
    assert await bench.views.slots("tenant/t", now) == await bench.views.upstream_slots("main", now) == 0
    with pytest.raises(LedgerUnavailable, match="already released"):
        await nothing_changes(bench, bench.ledger.reserve(order, postings, WIDE))


async def test_a_reserve_whose_reply_was_lost_is_known_and_holds_once(bench: Bench) -> None:
    postings, order = bench.postings(*LIMITS), bench.order(idempotency=("key", "print"))
    first = await bench.ledger.reserve(order, postings, WIDE)
    again = await nothing_changes(bench, bench.ledger.reserve(order, postings, WIDE))
    assert isinstance(first, Admitted)
    assert (again.upstream_key, again.uses) == (first.upstream_key, ())
    assert (await bench.counted()).held == order.hold


@pytest.mark.parametrize("state", [State.RUNNING, State.IN_DOUBT])
async def test_a_reserve_of_an_id_that_went_on_is_no_admission(bench: Bench, state: State) -> None:
    postings, order = bench.postings(*LIMITS), bench.order()
    await bench.ledger.reserve(order, postings, WIDE)
    if state is State.RUNNING:
        await bench.ledger.confirm(order.id, "p", 5)
    else:
        await bench.ledger.doubt(order.id, "stale", 5)
    with pytest.raises(LedgerUnavailable, match=f"already {state}"):
        await nothing_changes(bench, bench.ledger.reserve(order, postings, WIDE))


async def test_a_store_whose_clock_jumps_back_does_not_turn_the_account_back(bench: Bench) -> None:
    postings, before = bench.postings(*LIMITS), await bench.now()
    held = await bench.admit(postings)
    await bench.at(before - 3600 * SECOND)
    await bench.ledger.confirm(held.id, "p", 5)
    assert (await bench.record(held.id)).confirmed_us == before
    assert (await bench.admit(postings)).admitted_us == before


async def test_two_workers_with_clocks_an_hour_apart_agree(bench: Bench) -> None:
    other = Ledger(bench.store, SCRIPTS, "up")
    other.saw(await bench.now() - 3600 * SECOND)
    bench.ledger.saw(await bench.now() + 3600 * SECOND)
    postings = bench.postings(budget(20))
    assert isinstance(await other.reserve(bench.order(), postings, WIDE), Admitted)
    assert isinstance(await bench.reserve(postings), Admitted)
    assert await bench.counted() == (0, 20, 2)
