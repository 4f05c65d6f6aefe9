"""Money stays exact to the unit up to 2^53 - 1, wherever Lua could make a floating-point text of it."""

import pytest

from gateway.domain.limit import Mode
from gateway.domain.money import MAX_UNITS
from gateway.domain.reservation import How
from gateway.domain.window import WindowName
from gateway.ledger.decisions import Admitted, OverLimit
from ledger.bench import ACCOUNT, Bench, budget, nothing_changes, use_of, violated

ODD = 100_000_000_000_001  # which `..` and tostring write as 1e+14
AMOUNTS = [ODD, 123_456_789_012_345, 2**52 + 1, MAX_UNITS]


def exponents(found: object) -> list[str]:
    """Find every text with an exponent, the sign of a number that left Lua by the wrong door."""
    match found:
        case dict():
            return [text for pair in found.items() for each in pair for text in exponents(each)]
        case list() | tuple():
            return [text for each in found for text in exponents(each)]
        case bytes():
            return exponents(found.decode("latin-1"))
        case str():
            return [found] if "e+" in found.lower() else []
    return []


@pytest.mark.parametrize("amount", AMOUNTS)
async def test_an_amount_survives_its_whole_life_exactly(bench: Bench, amount: int) -> None:
    limit = budget(amount)
    postings = bench.postings(limit, budget(MAX_UNITS, ACCOUNT, WindowName.TOTAL))
    held = await bench.admit(postings, amount)
    assert (held.hold, held.estimate) == (amount, amount)
    refused = await bench.reserve(postings, 1)
    assert use_of(refused, limit).held == amount
    await bench.ledger.confirm(held.id, "p", 5)
    settled = await bench.ledger.settle(held.id, amount, How.EXACT, "success")
    assert settled is not None
    assert settled.cost == amount
    assert await bench.counted() == (amount, 0, 1)
    assert [entry["cost"] for entry in await bench.journal() if entry["event"] == "settle"] == [amount]
    assert exponents(await bench.dump()) == []


@pytest.mark.parametrize("amount", AMOUNTS)
async def test_a_journal_is_read_back_into_a_new_limit_exactly(bench: Bench, amount: int) -> None:
    before = bench.postings()
    await bench.settled(before, amount // 2)
    live = await bench.admit(before, amount - amount // 2)
    limit = budget(amount)
    after = bench.postings(limit)
    assert violated(await bench.reserve(after, 1)) == [limit.id]
    assert await bench.counted() == (amount // 2, live.hold, 2)
    assert isinstance(await bench.reserve(after, 0), Admitted)
    assert exponents(await bench.dump()) == []


async def test_a_released_amount_comes_back_to_the_unit(bench: Bench) -> None:
    postings = bench.postings(budget(MAX_UNITS))
    held = [await bench.admit(postings, ODD) for _ in range(3)]
    await bench.ledger.release(held[1].id, sent=False, reason="refused")
    assert await bench.counted() == (0, 2 * ODD, 2)
    assert isinstance(await bench.reserve(postings, MAX_UNITS - 2 * ODD), Admitted)
    assert await bench.counted() == (0, MAX_UNITS, 3)


async def test_a_sum_that_would_leave_the_exact_range_is_refused(
    bench: Bench,
) -> None:
    postings = bench.postings(budget(MAX_UNITS))
    await bench.admit(postings, MAX_UNITS - 5)
    refused = await nothing_changes(bench, bench.reserve(postings, 6))
    assert isinstance(refused, OverLimit)
    assert isinstance(await bench.reserve(postings, 5), Admitted)


async def test_a_shadow_limit_refuses_a_sum_that_could_not_be_counted(bench: Bench) -> None:
    postings = bench.postings(budget(0, mode=Mode.SHADOW))
    await bench.admit(postings, MAX_UNITS)
    refused = await bench.reserve(postings, 1)
    assert isinstance(refused, OverLimit)


async def test_overruns_beyond_the_range_close_the_counter_instead_of_wrapping(bench: Bench) -> None:
    postings = bench.postings(budget(MAX_UNITS))
    held = [await bench.admit(postings, 0) for _ in range(3)]
    for each in held:
        await bench.ledger.confirm(each.id, f"p-{each.id}", 5)
        await bench.ledger.settle(each.id, MAX_UNITS - 1, How.EXACT, "success")
    assert (await bench.counted()).charged == 3 * (MAX_UNITS - 1)
    refused = await bench.reserve(postings, 0)
    assert isinstance(refused, OverLimit)


async def test_zero_holds_count_and_take_slots_but_no_money(bench: Bench) -> None:
    postings = bench.postings(budget(0))
    await bench.settled(postings, 0)
    held = await bench.admit(postings, 0)
    assert await bench.counted() == (0, 0, 2)
    await bench.ledger.release(held.id, sent=False, reason="refused")
    assert await bench.counted() == (0, 0, 1)
