"""The outbox: a tenant's webhook lives with its reservation, and after the settlement until it was delivered."""

import asyncio
import re

from gateway.domain.reservation import How, Reservation
from gateway.domain.webhook import Webhook
from gateway.ledger.outbox import DEAD_SECONDS, OWN_BODY_SECONDS, SEATS, Delivery, Outbox
from ledger.bench import SCRIPTS, Bench, budget, nothing_changes

HOOK = Webhook("https://slow.example.com/hook", "qS3cret")
OTHER = Webhook("https://quick.example.com:8443/hook")
LEASE = 30.0


async def running(bench: Bench, webhook: Webhook | None = HOOK, tenant: str = "t") -> Reservation:
    held = await bench.admit(bench.postings(), webhook=webhook, tenant=tenant)
    await bench.ledger.confirm(held.id, f"p-{held.id}", 5)
    return await bench.record(held.id)


async def settled(bench: Bench, webhook: Webhook = HOOK, tenant: str = "t", body: bytes = b"{}") -> str:
    held = await running(bench, webhook, tenant)
    await bench.outbox.notice(held.id, held.prediction or "", body)
    await bench.ledger.settle(held.id, 5, How.EXACT, "success")
    return held.id


async def taken(bench: Bench, most: int = 64) -> list[str]:
    return [each.id for each in await bench.outbox.take(most, LEASE)]


async def traces(bench: Bench, word: str) -> list[str]:
    """Give the keys that have a word in their name or content."""
    return [name for name, value in (await bench.dump()).items() if word in f"{name} {value}"]


async def test_address_and_secret_are_kept_with_the_hold_and_stand_nowhere_else(bench: Bench) -> None:
    held = await bench.admit(bench.postings(), webhook=HOOK)
    assert await traces(bench, "qS3cret") == await traces(bench, "slow.example.com/hook") == [f"{{up}}:w:{held.id}"]
    await bench.admit(bench.postings())
    assert len(await traces(bench, ":w:")) == 1


async def test_a_refusal_keeps_no_webhook(bench: Bench) -> None:
    postings = bench.postings(budget(5))
    await bench.prime(postings)
    await nothing_changes(bench, bench.reserve(postings, 10, webhook=HOOK))


async def test_the_settlement_puts_it_into_the_outbox_in_the_same_step(bench: Bench) -> None:
    id_ = await settled(bench)
    assert await bench.outbox.take(10, LEASE) == [
        Delivery(id_, "tenant/t", HOOK, b"{}", 1, await bench.now(), await bench.now(), "")
    ]


async def test_without_a_body_it_waits_a_while_for_upstreams_own(bench: Bench) -> None:
    held = await running(bench)
    await bench.ledger.settle(held.id, 5, How.EXACT, "success")
    await bench.advance(OWN_BODY_SECONDS - 1)
    assert await nothing_changes(bench, taken(bench)) == []
    assert await bench.outbox.waits(held.id)
    await bench.outbox.notice(held.id, held.prediction or "", b"own")
    assert not await bench.outbox.waits(held.id)
    (found,) = await bench.outbox.take(10, LEASE)
    assert (found.id, found.body) == (held.id, b"own")


async def test_without_a_body_it_is_due_when_upstreams_own_does_not_come(bench: Bench) -> None:
    held = await running(bench)
    await bench.ledger.settle(held.id, 5, How.EXACT, "success")
    await bench.advance(OWN_BODY_SECONDS)
    (found,) = await bench.outbox.take(10, LEASE)
    assert (found.id, found.body) == (held.id, None)


async def test_the_first_body_stands_and_only_the_reservations_own_prediction_has_one(bench: Bench) -> None:
    held = await running(bench)
    outbox, prediction = bench.outbox, held.prediction or ""
    assert await nothing_changes(bench, outbox.notice(held.id, "another", b"a")) is None
    assert await nothing_changes(bench, outbox.notice("stranger", prediction, b"a")) is None
    assert await outbox.notice(held.id, prediction, b"\xff first") == b"\xff first"
    assert await nothing_changes(bench, outbox.notice(held.id, prediction, b"b")) == b"\xff first"
    assert await nothing_changes(bench, outbox.notice((await running(bench, None)).id, prediction, b"a")) is None


async def test_nobody_is_told_of_what_was_released_cancelled_or_never_found(bench: Bench) -> None:
    released = await bench.admit(bench.postings(), webhook=HOOK)
    await bench.ledger.release(released.id, sent=False, reason="not sent")
    cancelled = await running(bench)
    await bench.ledger.settle(cancelled.id, 0, How.EXACT, "cancelled", tell=False)
    lost = await bench.admit(bench.postings(), webhook=HOOK)
    await bench.ledger.doubt(lost.id, "cut", 5)
    await bench.ledger.settle(lost.id, 5, How.ASSUMED, "in_doubt")
    assert await traces(bench, "slow.example.com") == []


async def test_what_was_delivered_leaves_nothing_behind_and_its_repeats_do_nothing(bench: Bench) -> None:
    id_ = await settled(bench)
    await taken(bench)
    assert await bench.outbox.delivered(id_)
    assert await traces(bench, "slow.example.com") == []
    for repeat in (
        bench.outbox.delivered(id_),
        bench.outbox.failed(id_, "late", 5),
        bench.outbox.give_up(id_, "late"),
    ):
        assert await nothing_changes(bench, repeat) is False
    assert await nothing_changes(bench, bench.ledger.settle(id_, 5, How.EXACT, "success"))
    await bench.advance(10**6)
    assert await nothing_changes(bench, taken(bench)) == []


async def test_what_failed_is_due_again_when_it_was_told_to_be(bench: Bench) -> None:
    id_ = await settled(bench)
    since = await bench.now()
    for tries in (1, 2, 3):
        (found,) = await bench.outbox.take(10, LEASE)
        assert (found.tries, found.since_us, found.said) == (tries, since, "answered 500" if tries > 1 else "")
        await bench.advance(1)
        assert await bench.outbox.failed(id_, "answered 500", 7)
        await bench.advance(6.999999)
        assert await taken(bench) == []
        await bench.advance(0.000001)


async def test_what_its_worker_lost_is_taken_by_another(bench: Bench) -> None:
    id_ = await settled(bench)
    assert await taken(bench) == [id_]
    await bench.advance(LEASE - 0.000001)
    assert await taken(bench) == []
    await bench.advance(0.000001)
    assert await taken(bench) == [id_]


async def test_workers_at_the_same_time_take_each_webhook_once(bench: Bench) -> None:
    hooks = [Webhook(f"https://{number % 10}.example.com/") for number in range(40)]
    ids = [await settled(bench, hook) for hook in hooks]
    outboxes = [Outbox(bench.store, SCRIPTS, "up") for _ in range(4)]
    batches = await asyncio.gather(*(outbox.take(7, LEASE) for outbox in outboxes * 3))
    assert sorted(each.id for batch in batches for each in batch) == sorted(ids)


async def test_a_slow_address_takes_few_seats_and_keeps_no_other_waiting(bench: Bench) -> None:
    slow = {await settled(bench) for _ in range(3 * SEATS)}
    quick, cousin = await settled(bench, OTHER), await settled(bench, HOOK, "s")
    first = set(await taken(bench))
    assert len(first & slow) == SEATS
    assert first - slow == {quick, cousin}
    assert await taken(bench) == []
    done, failed = sorted(first & slow)[:2]
    await bench.outbox.delivered(done)
    await bench.outbox.failed(failed, "answered 500", 600)
    second = set(await taken(bench))
    assert len(second) == 2
    assert second <= slow - first
    await bench.advance(LEASE)
    third = set(await taken(bench)) & slow
    assert len(third) == SEATS
    assert third <= slow - {done, failed}


async def test_an_address_without_a_free_seat_is_not_looked_at(bench: Bench) -> None:
    for _ in range(2 * SEATS):
        await settled(bench)
    assert len(await taken(bench)) == SEATS
    await bench.advance(1)
    quick = await settled(bench, OTHER)
    assert await taken(bench, 1) == [quick]


async def test_no_more_are_taken_than_were_asked_for_and_the_rest_comes_next(bench: Bench) -> None:
    ids = [await settled(bench, Webhook(f"https://{number}.example.com/")) for number in range(5)]
    assert [len(await taken(bench, 2)) for _ in range(4)] == [2, 2, 1, 0]
    assert len(ids) == 5


async def test_what_was_given_up_is_listed_and_can_be_delivered_again(bench: Bench) -> None:
    id_ = await settled(bench)
    await taken(bench)
    assert await bench.outbox.give_up(id_, "answered 410")
    await nothing_changes(bench, bench.outbox.give_up(id_, "again"))
    assert await bench.outbox.listed(10) == []
    (dead,) = await bench.outbox.listed(10, dead=True)
    assert (dead.id, dead.tries, dead.said) == (id_, 1, "answered 410")
    assert (await bench.dump())[f"{{up}}:w:{id_}"][1] > 0  # it expires
    mail = await bench.views.mail(await bench.now())
    assert (mail.undelivered, mail.dead, mail.oldest_us) == (0, 1, None)
    await bench.advance(3600)
    assert await taken(bench) == []
    assert await bench.outbox.again(id_)
    assert not await bench.outbox.again(id_)
    (found,) = await bench.outbox.take(10, LEASE)
    assert (found.tries, found.since_us, found.body) == (1, await bench.now(), b"{}")
    assert (await bench.dump())[f"{{up}}:w:{id_}"][1] < 0  # it does not
    assert await bench.outbox.listed(10, dead=True) == []


async def test_what_was_given_up_long_ago_is_counted_no_more(bench: Bench) -> None:
    ids = [await settled(bench) for _ in range(2)]
    await bench.outbox.give_up(ids[0], "answered 500")
    await bench.advance(DEAD_SECONDS)
    assert (await bench.views.mail(await bench.now())).dead == 0
    await bench.outbox.give_up(ids[1], "answered 500")
    assert await bench.redis.zrange("{up}:dead", 0, -1) == [ids[1].encode()]


async def test_the_oldest_undelivered_is_told(bench: Bench) -> None:
    first = await settled(bench)
    since = await bench.now()
    await bench.advance(60)
    await settled(bench, OTHER)
    mail = await bench.views.mail(await bench.now())
    assert (mail.undelivered, mail.oldest_us) == (2, since)
    await bench.outbox.delivered(first)
    assert (await bench.views.mail(await bench.now())).oldest_us == since + 60_000_000


async def test_what_has_lost_its_webhook_is_dropped(bench: Bench) -> None:
    id_ = await settled(bench)
    await bench.redis.delete(f"{{up}}:w:{id_}")
    assert await taken(bench) == []
    left = [name for name in await bench.dump() if re.search(":(w|outbox|lanes?|seats)\\b", name)]
    assert left == []
