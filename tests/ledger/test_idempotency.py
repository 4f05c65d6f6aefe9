"""What becomes of a create whose Idempotency-Key was seen before."""

import pytest

from gateway.domain.reservation import How
from gateway.ledger.decisions import Admitted, Answered, Decision, Doubted, Mismatch, Pending
from ledger.bench import Bench, budget, nothing_changes

KEYED = ("digest", "print")


async def again(bench: Bench, keyed: tuple[str, str] = KEYED, tenant: str = "t") -> Decision:
    return await bench.reserve(bench.postings(budget(100)), idempotency=keyed, tenant=tenant)


async def first(bench: Bench) -> str:
    return (await bench.admit(bench.postings(budget(100)), idempotency=KEYED)).id


async def test_a_first_create_that_is_being_sent_is_pending_and_holds_once(bench: Bench) -> None:
    reservation = await first(bench)
    assert await nothing_changes(bench, again(bench)) == Pending(reservation)
    assert (await bench.counted()).held == 10


async def test_an_answered_create_is_answered_again_byte_for_byte_even_after_its_end(bench: Bench) -> None:
    reservation, body = await first(bench), b'{"predictionID":"p"}\x00\xff'
    await bench.ledger.confirm(reservation, "p", 5, (201, body))
    assert await nothing_changes(bench, again(bench)) == Answered(reservation, 201, body)
    await bench.ledger.settle(reservation, 5, How.EXACT, "success")
    assert await nothing_changes(bench, again(bench)) == Answered(reservation, 201, body)
    assert await bench.redis.ttl("{up}:i:t:digest") == pytest.approx(86400, abs=5)


async def test_another_request_under_the_same_key_is_a_mismatch_in_every_state(bench: Bench) -> None:
    reservation, other = await first(bench), ("digest", "another print")
    assert await nothing_changes(bench, again(bench, other)) == Mismatch()
    await bench.ledger.doubt(reservation, "no answer", 5)
    assert await nothing_changes(bench, again(bench, other)) == Mismatch()
    await bench.ledger.confirm(reservation, "p", 5, (200, b"{}"))
    assert await nothing_changes(bench, again(bench, other)) == Mismatch()


async def test_a_create_in_doubt_is_told_so_and_not_sent_again(bench: Bench) -> None:
    reservation = await first(bench)
    await bench.ledger.doubt(reservation, "no answer", 5)
    assert await nothing_changes(bench, again(bench)) == Doubted(reservation)


@pytest.mark.parametrize("end", ["found without an answer", "charged at the horizon"])
async def test_a_doubt_that_ended_without_an_answer_is_still_one_and_not_sent_again(bench: Bench, end: str) -> None:
    reservation = await first(bench)
    await bench.ledger.doubt(reservation, "no answer", 5)
    if end == "charged at the horizon":
        await bench.ledger.settle(reservation, 10, How.ASSUMED, "in_doubt")
    else:
        await bench.ledger.confirm(reservation, "p", 5)
    assert await nothing_changes(bench, again(bench)) == Doubted(reservation)


async def test_a_released_create_is_forgotten_so_that_the_key_may_try_again(bench: Bench) -> None:
    reservation = await first(bench)
    await bench.ledger.release(reservation, sent=True, reason="answered 422")
    assert isinstance(await again(bench, ("digest", "another print")), Admitted)


async def test_a_refused_create_leaves_its_key_free(bench: Bench) -> None:
    poor = bench.postings(budget(5))
    await bench.prime(poor)
    await nothing_changes(bench, bench.reserve(poor, 10, idempotency=KEYED))
    assert isinstance(await again(bench), Admitted)


async def test_the_same_key_of_another_tenant_is_another_key(bench: Bench) -> None:
    await first(bench)
    assert isinstance(await again(bench, ("digest", "another print"), tenant="s"), Admitted)


async def test_a_repeat_is_answered_although_the_limits_are_used_up_by_then(bench: Bench) -> None:
    reservation = (await bench.admit(bench.postings(budget(100)), 100, idempotency=KEYED)).id
    assert await again(bench) == Pending(reservation)
