"""Grants: a limit is raised exactly between two instants of the store's clock, and the journal says who needed it."""

from dataclasses import replace

import pytest

from gateway.domain.limit import Grant, Limit
from gateway.domain.window import WindowName
from gateway.ledger.decisions import Admitted
from gateway.ledger.postings import Postings
from ledger.bench import (
    NOON_US,
    SCRIPTS,
    SECOND,
    TENANT,
    Bench,
    budget,
    concurrency,
    count,
    use_of,
    violated,
)

BEGIN, END = NOON_US + 10 * SECOND, NOON_US + 20 * SECOND


def raised(limit: Limit, *amounts: int, begin: int = BEGIN, end: int = END) -> Limit:
    grants = tuple(Grant(amount, begin, end, f"reason {number}") for number, amount in enumerate(amounts, 1))
    return replace(limit, grants=grants)


async def ask(bench: Bench, postings: Postings, hold: int, now_us: int, worked_out_us: int) -> str:
    """Ask the script at a time whether it would admit, with arguments that were worked out for another."""
    await bench.at(now_us)
    snapshot = postings.at(worked_out_us)
    request = await bench.request(bench.order(hold, dry=True), postings, snapshot)
    reply = await bench.store.run(SCRIPTS["reserve"], postings.prefix, request | {"at": now_us})
    return str(reply[0].decode())


@pytest.mark.parametrize("limit", [budget(10), count(1), concurrency(1)])
async def test_a_grant_is_in_force_to_the_microsecond(bench: Bench, limit: Limit) -> None:
    postings = bench.postings(raised(limit, 10 if limit.amount == 10 else 1))
    await bench.admit(postings, 10)
    turns = (BEGIN - 1, BEGIN, END - 1, END)
    assert [await ask(bench, postings, 10, at, at) for at in turns] == ["refused", "admitted", "admitted", "refused"]


@pytest.mark.parametrize(("turn", "before"), [(BEGIN, "refused"), (END, "admitted")])
async def test_the_script_itself_refuses_what_was_worked_out_on_the_other_side_of_a_turn(
    bench: Bench, turn: int, before: str
) -> None:
    postings = bench.postings(raised(budget(10), 5))
    await bench.admit(postings, 10)
    assert await ask(bench, postings, 5, turn - 1, turn - 1) == before
    assert await ask(bench, postings, 5, turn, turn - 1) == "window"
    assert await ask(bench, postings, 5, turn - 1, turn) == "window"


async def test_a_decision_tells_the_limit_as_it_is_in_force(bench: Bench) -> None:
    limit = raised(budget(10), 5, 7)
    postings = bench.postings(limit)
    assert use_of(await bench.reserve(postings, 1, dry=True), limit.at(NOON_US)).limit.amount == 10
    await bench.at(BEGIN)
    decision = await bench.reserve(postings, 1, dry=True)
    assert isinstance(decision, Admitted)
    assert decision.uses[0].limit.amount == 22
    assert [grant.amount for grant in decision.uses[0].limit.grants] == [5, 7]


async def test_what_was_spent_by_a_grant_stays_spent_and_nothing_more_is_admitted(bench: Bench) -> None:
    postings = bench.postings(raised(budget(10), 10))
    await bench.at(BEGIN)
    await bench.settled(postings, 18)
    await bench.at(END)
    assert violated(await bench.reserve(postings, 1)) == ["budget-tenant/t-enforce"]
    assert await bench.counted() == (18, 0, 1)
    await bench.advance(86400)
    await bench.admit(postings, 10)


async def test_every_window_that_a_grant_overlaps_is_raised(bench: Bench) -> None:
    limit = budget(10, window=WindowName.MINUTE)
    postings = bench.postings(raised(limit, 10, begin=NOON_US, end=NOON_US + 90 * SECOND))
    for _ in range(2):
        await bench.admit(postings, 20)
        await bench.advance(60)
    assert violated(await bench.reserve(postings, 20)) == [limit.id]


async def test_the_journal_names_the_grants_that_a_create_needed(bench: Bench) -> None:
    shadow = raised(budget(1, id="trial", mode="shadow"), 100)
    postings = bench.postings(raised(budget(10, id="daily"), 4, 6), raised(count(99), 1), shadow)
    await bench.at(BEGIN)
    for hold in (10, 1):
        await bench.admit(postings, hold)
    told = [entry["grants"] for entry in await bench.journal() if entry["event"] == "reserve"]
    assert told == [[], [f"{TENANT}/daily: reason 1; reason 2"]]


async def test_an_alert_is_raised_at_the_share_of_what_is_in_force(bench: Bench) -> None:
    limit = raised(budget(10, id="daily", alert_at=(0.5,)), 10)
    postings = bench.postings(limit)
    await bench.at(BEGIN)
    await bench.admit(postings, 9)
    assert await bench.views.alerts() == {}
    await bench.admit(postings, 1)
    assert await bench.views.alerts() == {(TENANT, "daily", "0.5"): 1}
