"""A limit that is new, renamed, moved or back again counts from what its scope has spent in its window."""

from gateway.domain.limit import Limit
from gateway.domain.reservation import How
from gateway.domain.window import WindowName
from gateway.ledger.decisions import Admitted
from gateway.ledger.postings import Postings
from gateway.ledger.requests import seed_request
from ledger.bench import (
    ACCOUNT,
    KEY,
    PARENT,
    SCRIPTS,
    TENANT,
    WIDE,
    Bench,
    budget,
    count,
    nothing_changes,
    use_of,
    violated,
)


async def morning(bench: Bench, *limits: Limit) -> tuple[str, str]:
    """Spend 7 and release 5 of 12; leave 20 running and 30 in doubt. Gives the ids of the latter two."""
    postings = bench.postings(*limits)
    await bench.settled(postings, 7, hold=9)
    released = await bench.admit(postings, 12)
    await bench.ledger.release(released.id, sent=True, reason="answered 400")
    running, doubt = await bench.admit(postings, 20), await bench.admit(postings, 30)
    await bench.ledger.confirm(running.id, "p-running", 5)
    await bench.ledger.doubt(doubt.id, "no answer", 5)
    return running.id, doubt.id


async def evening(bench: Bench, running: str, doubt: str) -> None:
    await bench.ledger.settle(running, 21, How.EXACT, "success")
    await bench.ledger.release(doubt, sent=True, reason="absent")


async def test_a_limit_added_at_noon_knows_what_the_morning_spent_held_and_counted(bench: Bench) -> None:
    await morning(bench)
    limits = (budget(60), count(4), budget(1000, ACCOUNT, WindowName.MONTH), budget(1000, KEY, WindowName.TOTAL))
    decision = await bench.reserve(bench.postings(*limits), 3)
    assert isinstance(decision, Admitted)
    assert [(use.used, use.held) for use in decision.uses] == [(7, 53), (4, 0), (7, 53), (7, 53)]
    assert violated(await bench.reserve(bench.postings(*limits), 1)) == [limits[0].id, limits[1].id]


async def test_what_was_live_when_a_limit_came_ends_in_it_too(bench: Bench) -> None:
    live = await morning(bench, budget(10**6, ACCOUNT))
    postings = bench.postings(budget(60), budget(10**6, ACCOUNT))
    await bench.prime(postings)
    assert await bench.counted() == (7, 50, 3)
    await evening(bench, *live)
    assert await bench.counted() == await bench.counted(ACCOUNT) == (28, 0, 2)


async def test_only_what_was_admitted_in_the_window_is_counted_whenever_it_ended(bench: Bench) -> None:
    live = await morning(bench)
    await bench.advance(86400)
    await evening(bench, *live)
    await bench.settled(bench.postings(), 4)
    await bench.prime(bench.postings(budget(100), budget(100, window=WindowName.WEEK)))
    assert await bench.counted() == (4, 0, 1)
    assert await bench.counted(window=WindowName.WEEK) == (32, 0, 3)


async def test_a_limit_that_was_away_is_brought_up_to_date_when_it_is_back(bench: Bench) -> None:
    with_limit, without = bench.postings(budget(100)), bench.postings()
    held = await bench.admit(with_limit, 10)
    await bench.settled(without, 5)
    await bench.admit(without, 6)
    await bench.ledger.confirm(held.id, "p", 5)
    await bench.ledger.settle(held.id, 9, How.EXACT, "success")
    assert await bench.counted() == (9, 0, 1)
    decision = await bench.reserve(with_limit, 0)
    assert use_of(decision, with_limit.limits[0])[2:4] == (14, 6)
    assert await bench.counted() == (14, 6, 4)


async def test_seeding_again_and_again_changes_nothing(bench: Bench) -> None:
    await morning(bench)
    postings = bench.postings(budget(60), count(9, ACCOUNT))
    await bench.prime(postings)
    request = seed_request(postings, postings.at(await bench.now()))
    for _ in range(2):
        await nothing_changes(bench, bench.store.run(SCRIPTS["seed"], postings.prefix, request))


async def test_the_first_create_of_a_scope_looks_at_nothing_that_others_have_open(bench: Bench) -> None:
    await morning(bench)
    known = bench.postings(budget(60))
    unknown = Postings(known.prefix, ["tenant/unknown"], [budget(60, "tenant/unknown")])
    for postings, told in ((known, b"more"), (unknown, b"done")):
        request = seed_request(postings, postings.at(await bench.now())) | {"live_most": 1}
        assert (await bench.store.run(SCRIPTS["seed"], postings.prefix, request))[0] == told


async def test_names_and_order_and_amounts_are_not_what_is_counted(bench: Bench) -> None:
    await bench.admit(bench.postings(budget(50, id="daily"), count(5, id="n")), 10)
    changed = bench.postings(count(9, id="predictions"), budget(15, id="per-day"))
    assert violated(await bench.reserve(changed, 6)) == ["per-day"]
    await bench.admit(changed, 5)
    assert await bench.counted() == (0, 15, 2)


async def test_a_new_parent_starts_with_nothing_and_the_old_one_keeps_what_it_had(bench: Bench) -> None:
    old = bench.postings(budget(100, PARENT))
    live = await bench.admit(old, 10)
    moved = bench.postings(budget(100, "tenant/q"), budget(100), scopes=(KEY, TENANT, "tenant/q", ACCOUNT))
    await bench.admit(moved, 20)
    assert (await bench.counted(PARENT), await bench.counted("tenant/q")) == ((0, 10, 1), (0, 20, 1))
    assert await bench.counted() == (0, 30, 2)
    await bench.ledger.confirm(live.id, "p", 5)
    await bench.ledger.settle(live.id, 8, How.EXACT, "success")
    assert (await bench.counted(PARENT), await bench.counted("tenant/q")) == ((8, 0, 1), (0, 20, 1))
    assert await bench.counted() == (8, 20, 2)


async def test_a_limit_on_a_shared_parent_sees_all_its_children(bench: Bench) -> None:
    sibling = bench.postings(scopes=("tenant/s/key/k", "tenant/s", PARENT, ACCOUNT))
    await bench.settled(sibling, 5)
    await bench.admit(bench.postings(), 6)
    await bench.prime(bench.postings(budget(100, PARENT), budget(100)))
    assert (await bench.counted(PARENT), await bench.counted()) == ((5, 6, 2), (0, 6, 1))


async def test_two_policies_in_force_at_once_agree_on_what_is_left(bench: Bench) -> None:
    """While one worker is behind, each reserve of the other finds the counter behind and brings it up."""
    old, new = bench.postings(), bench.postings(budget(50))
    for _ in range(2):
        await bench.admit(old, 10)
        await bench.admit(new, 10)
    assert violated(await bench.reserve(new, 11)) == [new.limits[0].id]
    await bench.admit(old, 10)  # the worker that is behind knows of no limit
    assert violated(await bench.reserve(new, 1)) == [new.limits[0].id]
    assert await bench.counted() == (0, 50, 5)


async def test_a_seed_reads_more_of_the_journal_than_one_page(bench: Bench) -> None:
    plain = bench.postings()
    for _ in range(180):  # three entries each: more than 500
        await bench.settled(plain, 2)
    postings = bench.postings(budget(361), count(1000))
    assert violated(await bench.reserve(postings, 2)) == [postings.limits[0].id]
    assert await bench.counted() == (360, 0, 180)


async def test_a_window_that_begins_in_this_microsecond_has_a_past_already(bench: Bench) -> None:
    for _ in range(2):  # noon is the beginning of a minute
        await bench.settled(bench.postings(), 5)
    postings = bench.postings(budget(12, window=WindowName.MINUTE))
    assert violated(await bench.reserve(postings, 3)) == [postings.limits[0].id]
    assert await bench.counted(window=WindowName.MINUTE) == (10, 0, 2)


async def test_a_seed_of_an_ended_window_writes_nothing(bench: Bench) -> None:
    postings = bench.postings(budget(50))
    request = seed_request(postings, postings.at(await bench.now()))
    await bench.advance(86400)
    reply = await nothing_changes(bench, bench.store.run(SCRIPTS["seed"], postings.prefix, request))
    assert reply[0] == b"window"
    assert isinstance(await bench.ledger.reserve(bench.order(), postings, WIDE), Admitted)
