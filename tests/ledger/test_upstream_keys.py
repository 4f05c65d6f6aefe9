"""What one upstream key may do in any 60 seconds and at once, whatever order creates come and go in."""

import random

from gateway.ledger.decisions import Admitted, Busy, Capacity
from gateway.ledger.requests import SPREAD_SECONDS
from ledger.bench import NOON_US, Bench

#: Admissions are this much further apart than upstream asks, since a create may be sent as late as this.
SPAN_S = 60 + SPREAD_SECONDS


async def tries(bench: Bench, seconds: float, upstream: list[Capacity], times: int = 1) -> list[object]:
    await bench.advance(seconds)
    return [await bench.reserve(bench.postings(), upstream=upstream) for _ in range(times)]


def keys(decisions: list[object]) -> list[str]:
    return [decision.upstream_key if isinstance(decision, Admitted) else "" for decision in decisions]


async def test_a_burst_of_the_whole_rate_is_admitted_and_the_next_after_60_seconds_and_the_time_to_send(
    bench: Bench,
) -> None:
    upstream = [Capacity("a", 3, 100)]
    assert keys(await tries(bench, 0, upstream, 4)) == ["a", "a", "a", ""]
    assert keys(await tries(bench, SPAN_S - 0.000001, upstream)) == [""]
    assert keys(await tries(bench, 0.000001, upstream, 4)) == ["a", "a", "a", ""]


async def test_the_wait_that_a_busy_key_names_is_the_shortest_that_helps(bench: Bench) -> None:
    upstream = [Capacity("a", 2, 100)]
    await tries(bench, 0, upstream)
    await tries(bench, 7.25, upstream)
    (busy,) = await tries(bench, 1, upstream)
    assert isinstance(busy, Busy)
    assert busy.wait_us == int((SPAN_S - 8.25) * 1e6)
    assert keys(await tries(bench, busy.wait_us / 1e6, upstream, 2)) == ["a", ""]


async def test_never_more_than_the_rate_in_any_span_over_random_times(bench: Bench) -> None:
    chance, upstream, admitted, now = random.Random(1), [Capacity("a", 5, 10_000)], [], 0.0
    for _ in range(300):
        pause = chance.choice((0, 0, 0.5, 3, 11, 40))
        now += pause
        decisions = await tries(bench, pause, upstream)
        recent = [at for at in admitted if at > now - SPAN_S]
        assert isinstance(decisions[0], Admitted) == (len(recent) < 5)
        if isinstance(decisions[0], Admitted):
            admitted.append(now)
    assert len(admitted) > 100
    assert all(later - first >= SPAN_S for first, later in zip(admitted, admitted[5:], strict=False))


async def test_the_full_rate_holds_for_ever(bench: Bench) -> None:
    upstream = [Capacity("a", 4, 10_000)]
    admitted = sum([keys(await tries(bench, SPAN_S / 4, upstream)) == ["a"] for _ in range(40)])
    assert admitted == 40


async def test_a_key_takes_no_more_at_once_than_its_slots_and_says_that_no_time_helps(bench: Bench) -> None:
    upstream = [Capacity("a", 100, 2)]
    decisions = await tries(bench, 0, upstream, 3)
    assert keys(decisions) == ["a", "a", ""]
    assert isinstance(decisions[2], Busy)
    assert decisions[2].wait_us == 0


async def test_the_key_with_the_most_free_slots_is_chosen(bench: Bench) -> None:
    upstream = [Capacity("a", 100, 2), Capacity("b", 100, 4)]
    assert keys(await tries(bench, 0, upstream, 7)) == ["b", "b", "a", "b", "a", "b", ""]


async def test_a_key_without_rate_is_passed_over_though_it_has_the_most_slots(bench: Bench) -> None:
    upstream = [Capacity("a", 1, 50), Capacity("b", 3, 5)]
    assert keys(await tries(bench, 0, upstream, 5)) == ["a", "b", "b", "b", ""]
    (busy,) = await tries(bench, 2, upstream)
    assert isinstance(busy, Busy)
    assert busy.wait_us == (SPAN_S - 2) * 1_000_000


async def test_a_slot_frees_itself_when_its_time_is_over(bench: Bench) -> None:
    upstream = [Capacity("a", 100, 1)]
    await bench.admit(bench.postings(), upstream=upstream, slot_s=30)
    assert keys(await tries(bench, 29.999999, upstream)) == [""]
    assert keys(await tries(bench, 0.000001, upstream)) == ["a"]


async def test_an_unsent_create_gives_its_rate_back_and_a_sent_one_does_not(bench: Bench) -> None:
    upstream = [Capacity("a", 1, 9)]
    unsent = await bench.admit(bench.postings(), upstream=upstream)
    assert keys(await tries(bench, 1, upstream)) == [""]
    await bench.ledger.release(unsent.id, sent=False, reason="not sent")
    sent = await bench.admit(bench.postings(), upstream=upstream)
    await bench.ledger.release(sent.id, sent=True, reason="answered 429")
    assert keys(await tries(bench, 0, upstream)) == [""]
    now = await bench.now()
    assert await bench.views.upstream_slots("a", now) == 0
    assert keys(await tries(bench, SPAN_S, upstream)) == ["a"]


async def test_keys_of_one_account_do_not_touch_anothers(bench: Bench) -> None:
    other = Bench(bench.redis, bench.store, "second")
    await other.at(NOON_US)
    upstream = [Capacity("a", 1, 1)]
    await bench.admit(bench.postings(), upstream=upstream)
    await other.admit(other.postings(), upstream=upstream)
    assert keys(await tries(other, 0, upstream)) == [""]
