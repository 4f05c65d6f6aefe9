"""Which policy is in force: numbers that the store gives, and who may change them."""

import pytest

from gateway.ledger.decisions import Admitted, Answered
from gateway.ledger.enactment import (
    ALONE_SECONDS,
    LEASE_SECONDS,
    WORD_SECONDS,
    Enactment,
    PolicyBehind,
    read_in_force,
)
from ledger.bench import SCRIPTS, Bench, budget, nothing_changes


def host(bench: Bench, name: str) -> Enactment:
    return Enactment(bench.store, SCRIPTS, "up", name)


async def in_force(bench: Bench) -> tuple[int, str]:
    return await read_in_force(bench.store, "up")


async def test_the_first_policy_is_number_one_and_a_repeat_changes_nothing(bench: Bench) -> None:
    assert await in_force(bench) == (0, "")
    one = host(bench, "one")
    assert await one.ask("A") == (1, "A")
    await nothing_changes(bench, one.ask("A"))
    assert await in_force(bench) == (1, "A")


async def test_a_change_that_a_host_in_force_sees_gets_the_next_number_and_so_does_a_rollback(bench: Bench) -> None:
    one = host(bench, "one")
    assert [await one.ask(version) for version in "ABA"] == [(1, "A"), (2, "B"), (3, "A")]


async def test_hosts_with_the_same_content_are_in_force_together(bench: Bench) -> None:
    one, two = host(bench, "one"), host(bench, "two")
    assert await one.ask("A") == await two.ask("A") == (1, "A")
    assert await two.ask("B") == (2, "B")  # whichever sees the change first
    assert await one.ask("B") == (2, "B")


async def test_a_host_that_lags_never_overrules_not_even_by_a_change_of_its_own(bench: Bench) -> None:
    one, two = host(bench, "one"), host(bench, "two")
    await one.ask("A")
    await two.ask("A")
    await one.ask("B")
    for version in ("A", "an older one", "A"):
        assert await two.ask(version) == (2, "B")
    await bench.advance(10 * LEASE_SECONDS)  # nor when the others are gone
    assert await two.ask("A") == (2, "B")
    assert await two.ask("B") == (2, "B")
    assert await two.ask("C") == (3, "C")  # it has caught up


async def test_a_start_never_overrules_a_host_that_runs(bench: Bench) -> None:
    one, late = host(bench, "one"), host(bench, "late")
    await one.ask("B")
    for _ in range(5):
        assert await late.ask("A") == (1, "B")
        await bench.advance(LEASE_SECONDS - 1)
        assert await one.ask("B") == (1, "B")
    assert await in_force(bench) == (1, "B")


async def test_a_start_overrules_when_no_host_in_force_was_heard_of_for_a_while(bench: Bench) -> None:
    await host(bench, "killed").ask("A")
    late = host(bench, "late")
    assert await late.ask("B") == (1, "A")
    await bench.advance(LEASE_SECONDS)
    assert await late.ask("B") == (1, "A")  # from now on it is alone
    await bench.advance(ALONE_SECONDS - 1)
    assert await late.ask("B") == (1, "A")
    await bench.advance(1)
    assert await late.ask("B") == (2, "B")


async def test_after_an_outage_of_the_store_the_hosts_in_force_are_heard_before_a_start_overrules(
    bench: Bench,
) -> None:
    one, late = host(bench, "one"), host(bench, "late")
    await one.ask("A")
    await bench.advance(100 * LEASE_SECONDS)
    assert await late.ask("B") == (1, "A")
    await bench.advance(ALONE_SECONDS / 2)
    assert await one.ask("A") == (1, "A")
    await bench.advance(ALONE_SECONDS)
    assert await late.ask("B") == (1, "A")


async def test_a_host_that_was_stopped_leaves_the_way_free_at_once(bench: Bench) -> None:
    one, two = host(bench, "one"), host(bench, "two")
    await one.ask("A")
    await two.ask("A")
    await one.leave("A")
    assert await host(bench, "next").ask("B") == (1, "A")  # the other still runs
    await two.leave("A")
    assert await host(bench, "next").ask("B") == (2, "B")


async def test_a_host_that_lags_leaves_no_way_free(bench: Bench) -> None:
    one, late = host(bench, "one"), host(bench, "late")
    await one.ask("A")
    await late.ask("B")
    await bench.advance(LEASE_SECONDS)
    await late.leave("B")
    assert await host(bench, "next").ask("B") == (1, "A")


async def test_a_store_that_has_lost_the_latest_number_gets_a_later_one(bench: Bench) -> None:
    """As a failover to a replica that lagged does it: no host has the policy that it believes to be in force."""
    one, two = host(bench, "one"), host(bench, "two")
    for version in "ABC":
        await one.ask(version)
    await two.ask("C")
    await bench.store.read("HSET", "{up}:policy", "number", 2, "version", "B")
    assert await two.ask("C") == (4, "C")
    assert await one.ask("C") == (4, "C")
    await bench.store.read("DEL", "{up}:policy", "{up}:policy:hosts")
    assert await one.ask("C") == (5, "C")


async def test_an_operators_word_is_in_force_at_once_and_safe_from_starts_for_a_while(bench: Bench) -> None:
    one = host(bench, "one")
    await one.ask("A")
    assert await host(bench, "operator").command("B") == (2, "B")
    assert await one.ask("A") == (2, "B")
    await one.leave("A")
    assert await host(bench, "stale").ask("A") == (2, "B")
    await bench.advance(WORD_SECONDS)
    stale = host(bench, "stale")
    assert await stale.ask("A") == (2, "B")
    await bench.advance(ALONE_SECONDS)
    assert await stale.ask("A") == (3, "A")


async def test_a_create_is_decided_only_under_the_policy_by_which_it_was_priced(bench: Bench) -> None:
    postings = bench.postings(budget(100))
    assert isinstance(await bench.reserve(postings), Admitted)  # no policy has a number yet
    number, _ = await host(bench, "one").ask("A")
    for other in (0, number - 1, number + 1):
        with pytest.raises(PolicyBehind, match=f"by policy {other}, in force is {number}"):
            await nothing_changes(bench, bench.reserve(postings, policy=other))
        with pytest.raises(PolicyBehind):
            await bench.reserve(postings, policy=other, dry=True)
    assert isinstance(await bench.reserve(postings, policy=number), Admitted)


async def test_the_answer_to_an_earlier_create_is_repeated_under_any_policy(bench: Bench) -> None:
    postings, keyed = bench.postings(budget(100)), ("key", "print")
    held = await bench.admit(postings, idempotency=keyed)
    await bench.ledger.confirm(held.id, "p", 5, (200, b"{}"))
    await host(bench, "one").ask("A")
    assert await bench.reserve(postings, idempotency=keyed) == Answered(held.id, 200, b"{}")
