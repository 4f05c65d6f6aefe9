"""The pool of upstream keys: one that upstream refuses rests, and comes back by itself."""

import pytest

from gateway.ledger.decisions import Admitted, Busy, Capacity, Place, Rest, Unfit
from gateway.ledger.enactment import Enactment
from gateway.ledger.requests import REST_SECONDS
from ledger.bench import SCRIPTS, Bench

PAIR = (Capacity("a", 10_000, 9), Capacity("b", 10_000, 9))
ALONE = PAIR[:1]


async def refuse(bench: Bench, rest: Rest, upstream: tuple[Capacity, ...] = ALONE) -> None:
    """Send a create that upstream refuses for its key."""
    held = await bench.admit(bench.postings(), upstream=upstream)
    await bench.ledger.release(held.id, sent=True, reason="answered", rest=rest)


async def next_key(bench: Bench, upstream: tuple[Capacity, ...] = PAIR) -> str | float:
    """The key that a create takes now, or how many seconds it is told to wait."""
    order = bench.order(dry=True, place=Place(1))
    decision = await bench.ledger.reserve(order, bench.postings(), upstream)
    assert isinstance(decision, Admitted | Busy), decision
    return decision.upstream_key if isinstance(decision, Admitted) else decision.wait_us / 1e6


@pytest.mark.parametrize("why", [Unfit.REFUSED, Unfit.UNPAID])
async def test_a_key_that_upstream_does_not_accept_is_out_until_it_is_tried_again(bench: Bench, why: Unfit) -> None:
    assert await next_key(bench) == "a"
    await refuse(bench, Rest(why))
    assert await bench.views.rests(await bench.now()) == {"a": why}
    await bench.advance(REST_SECONDS[why][0] - 0.001)
    assert await next_key(bench) == "b"
    await bench.advance(0.001)
    assert await next_key(bench) == "a"
    assert await bench.views.rests(await bench.now()) == {}


async def test_where_no_key_is_in_service_all_are_tried_as_if_nothing_were_wrong(bench: Bench) -> None:
    await refuse(bench, Rest(Unfit.REFUSED))
    assert await next_key(bench, ALONE) == "a"
    await refuse(bench, Rest(Unfit.UNPAID), PAIR[1:])
    assert await next_key(bench) == "a"


async def test_a_key_that_is_out_does_not_come_back_because_the_others_are_full(bench: Bench) -> None:
    pair = (Capacity("a", 10_000, 9), Capacity("b", 10_000, 1))
    await refuse(bench, Rest(Unfit.REFUSED))
    await bench.admit(bench.postings(), upstream=pair)
    assert await next_key(bench, pair) == 0  # busy


async def test_a_key_that_is_limited_takes_nothing_for_as_long_as_upstream_said(bench: Bench) -> None:
    await refuse(bench, Rest(Unfit.LIMITED, 7))
    assert await next_key(bench) == "b"
    await bench.advance(3)
    assert await next_key(bench, ALONE) == 4
    await bench.advance(4)
    assert await next_key(bench, ALONE) == "a"


async def test_the_only_key_of_an_account_without_a_queue_is_left_to_upstreams_own_word(bench: Bench) -> None:
    await refuse(bench, Rest(Unfit.LIMITED, 7))
    assert isinstance(await bench.reserve(bench.postings(), upstream=ALONE), Admitted)
    assert isinstance(await bench.reserve(bench.postings(), upstream=PAIR), Admitted)
    await refuse(bench, Rest(Unfit.LIMITED, 7), PAIR[1:])
    assert isinstance(await bench.reserve(bench.postings(), upstream=PAIR), Busy)


async def test_what_upstream_says_last_of_a_key_is_what_counts(bench: Bench) -> None:
    await refuse(bench, Rest(Unfit.REFUSED))
    await refuse(bench, Rest(Unfit.LIMITED, 2))
    await bench.advance(2)
    assert await next_key(bench) == "a"


async def test_a_key_rests_ever_longer_that_is_refused_again_soon_after(bench: Bench) -> None:
    waits = []
    for _ in range(8):
        await refuse(bench, Rest(Unfit.LIMITED))
        wait = await next_key(bench, ALONE)
        assert isinstance(wait, float)
        waits.append(wait)
        await bench.advance(wait)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    await bench.advance(61)
    await refuse(bench, Rest(Unfit.LIMITED))
    assert await next_key(bench, ALONE) == 1


async def test_refusals_of_what_was_on_its_way_together_are_one(bench: Bench) -> None:
    held = [await bench.admit(bench.postings(), upstream=ALONE) for _ in range(5)]
    for each in held:
        await bench.ledger.release(each.id, sent=True, reason="answered 429", rest=Rest(Unfit.LIMITED))
    assert await next_key(bench, ALONE) == 1


async def test_a_change_of_the_policy_brings_every_key_back(bench: Bench) -> None:
    host = Enactment(bench.store, SCRIPTS, "up", "host")
    await host.command("one")
    held = await bench.admit(bench.postings(), upstream=ALONE, policy=1)
    await bench.ledger.release(held.id, sent=True, reason="answered 401", rest=Rest(Unfit.REFUSED))
    assert await bench.views.rests(await bench.now())
    await host.command("two")
    assert not await bench.views.rests(await bench.now())


async def test_a_repeated_release_lets_no_key_rest_twice(bench: Bench) -> None:
    held = await bench.admit(bench.postings(), upstream=ALONE)
    for _ in range(3):
        await bench.ledger.release(held.id, sent=True, reason="answered 429", rest=Rest(Unfit.LIMITED))
        await bench.advance(1)
    assert await next_key(bench, ALONE) == "a"
