"""The queue for upstream slots: whose turn it is, and that nobody overtakes, is lost or is waited for in vain."""

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from gateway.domain.reservation import How
from gateway.ledger.decisions import Admitted, Busy, Capacity, Decision, Order, OverLimit, Pending, Place, Queued
from gateway.ledger.ledger import Ledger
from gateway.ledger.requests import MOST_WAITING, SPREAD_SECONDS, TICKET_SECONDS, call_request, waiting_request
from gateway.ledger.upkeep import Upkeep
from ledger.bench import SCRIPTS, Bench, concurrency, nothing_changes

ONE = (Capacity("main", 10_000, 1),)
SPAN_S = 60 + SPREAD_SECONDS


class Line:
    """Creates of some tenants before upstream keys that are scarce, as one worker asks for them."""

    def __init__(self, bench: Bench, upstream: tuple[Capacity, ...] = ONE, **weights: int) -> None:
        self.bench, self.upstream, self.weights = bench, upstream, weights
        self.orders: dict[str, Order] = {}
        self.postings = bench.postings()
        self.ledger = bench.ledger

    async def come(self, tenant: str, **more: object) -> str:
        order = self.bench.order(tenant=tenant, place=Place(self.weights.get(tenant, 1)), **more)
        self.orders[order.id] = order
        return order.id

    async def ask(self, id_: str) -> Decision:
        order = self.orders[id_]
        decision = await self.ledger.reserve(order, self.postings, self.upstream)
        if isinstance(decision, Queued):
            assert order.place is not None
            self.orders[id_] = replace(order, place=order.place._replace(number=decision.number))
        return decision

    async def queue(self, tenant: str, times: int = 1, **more: object) -> list[str]:
        ids = [await self.come(tenant, **more) for _ in range(times)]
        for each in ids:
            assert isinstance(await self.ask(each), Queued)
        return ids

    async def called(self) -> list[str]:
        request = call_request(self.ledger.queue.worker, self.upstream)
        _, _, _, ids = await self.bench.store.run(SCRIPTS["call"], self.ledger.prefix, request)
        return [each.decode() for each in ids]

    async def free(self, id_: str) -> None:
        await self.ledger.confirm(id_, f"p-{id_}", 5)
        await self.ledger.settle(id_, 1, How.EXACT, "success")

    async def served(self, running: str, times: int) -> list[str]:
        """Let one end after the other, and give those who were called for their slots, in order."""
        order = []
        for _ in range(times):
            await self.free(running)
            (running,) = await self.called()
            assert isinstance(await self.ask(running), Admitted)
            order.append(running)
        return order


@pytest.fixture
async def line(bench: Bench) -> Line:
    return Line(bench)


async def busy(line: Line) -> str:
    """Take the only slot; gives who has it."""
    first = await line.come("first")
    assert isinstance(await line.ask(first), Admitted)
    return first


async def test_without_a_queue_a_create_takes_one_call_and_leaves_nothing_of_one(bench: Bench, line: Line) -> None:
    await busy(line)
    assert not [key for key in await bench.dump() if ":q" in key]


async def test_in_one_tenant_who_came_first_is_first(line: Line) -> None:
    running = await busy(line)
    ids = await line.queue("a", 5)
    assert await line.served(running, 5) == ids


async def test_a_newcomer_does_not_overtake_who_queues_though_a_slot_is_free(line: Line) -> None:
    running = await busy(line)
    (first,) = await line.queue("a")
    await line.free(running)
    newcomer = await line.come("b")
    assert isinstance(await line.ask(newcomer), Queued)
    assert isinstance(await line.bench.reserve(line.postings, upstream=ONE), Busy)  # nor one that may not wait
    assert isinstance(await line.ask(first), Admitted)


async def test_a_tenant_with_a_thousand_waiting_delays_one_with_one_by_one(line: Line) -> None:
    running = await busy(line)
    flood = await line.queue("a", 30)
    (alone,) = await line.queue("b")
    assert await line.served(running, 3) == [flood[0], alone, flood[1]]


async def test_shares_are_the_weights(bench: Bench) -> None:
    line = Line(bench, ONE, a=1, b=2, c=5)
    running = await busy(line)
    for tenant in "abc":
        await line.queue(tenant, 60)
    served = await line.served(running, 80)
    assert Counter(line.orders[each].tenant for each in served) == {"a": 10, "b": 20, "c": 50}


async def test_a_flood_of_one_of_ten_tenants_takes_no_more_than_a_tenth(line: Line) -> None:
    running = await busy(line)
    await line.queue("flood", 200)
    for number in range(9):
        await line.queue(f"t{number}", 5)
    shares = Counter(line.orders[each].tenant for each in await line.served(running, 50))
    assert sum(shares.values()) ** 2 / (10 * sum(share**2 for share in shares.values())) >= 0.95  # Jain's index


async def test_who_comes_back_has_no_share_saved_up(line: Line) -> None:
    running = await busy(line)
    await line.queue("a", 20)
    (once,) = await line.queue("b")
    *_, running = await line.served(running, 10)
    assert line.orders[once].tenant == "b"
    await line.queue("b", 5)
    *_, last = served = await line.served(running, 4)
    assert sorted(line.orders[each].tenant for each in served) == ["a", "a", "b", "b"]
    assert last in line.orders


async def test_several_free_slots_are_for_as_many_of_those_who_wait(bench: Bench) -> None:
    line = Line(bench, (Capacity("main", 10_000, 3),))
    running = [await line.come("x") for _ in range(3)]
    for each in running:
        assert isinstance(await line.ask(each), Admitted)
    a, b = await line.queue("a", 3), await line.queue("b", 1)
    for each in running:
        await line.free(each)
    assert await line.called() == [a[0], b[0], a[1]]
    assert isinstance(await line.ask(a[2]), Queued)
    assert [type(await line.ask(each)) for each in (a[1], b[0], a[0])] == [Admitted] * 3


async def test_rate_that_comes_back_is_for_who_waits_and_is_told_in_advance(bench: Bench) -> None:
    line = Line(bench, (Capacity("main", 1, 100),))
    await busy(line)
    await bench.advance(10)
    (waiting,) = await line.queue("a")
    _, _, ready_us, called = await bench.store.run(
        SCRIPTS["call"], line.ledger.prefix, call_request("w", line.upstream)
    )
    assert (ready_us, called) == (int((SPAN_S - 10) * 1e6), [])
    await bench.advance(1)
    await line.called()  # the ticket is kept
    for _ in range(int(SPAN_S - 11)):
        await bench.advance(1)
        called = await line.called()
    assert called == [waiting]
    assert isinstance(await line.ask(waiting), Admitted)


async def test_the_tickets_of_a_worker_that_died_are_dropped_and_those_of_others_are_called(bench: Bench) -> None:
    dead, alive = Line(bench), Line(bench)
    dead.ledger = Ledger(bench.store, SCRIPTS, "up")
    running = await busy(alive)
    await dead.queue("a", 3)
    (waiting,) = await alive.queue("a")
    await alive.free(running)
    assert len(await alive.called()) == 1
    for _ in range(4):
        await bench.advance(TICKET_SECONDS / 3)
        called = await alive.called()
    assert called == [waiting]
    assert isinstance(await alive.ask(waiting), Admitted)
    assert not [key for key in await bench.dump() if ":q" in key]


async def test_the_tickets_of_a_worker_that_died_are_swept_where_no_other_create_waits_or_comes(
    bench: Bench, line: Line
) -> None:
    await busy(line)
    await line.queue("a", 2)
    upkeep = Upkeep(bench.store, SCRIPTS, bench.account)
    await bench.advance(TICKET_SECONDS - 1)
    await nothing_changes(bench, upkeep.sweep())
    await bench.advance(1)
    assert await upkeep.sweep() == 0
    assert not [key for key in await bench.dump() if ":q" in key]


async def test_a_worker_that_was_away_gets_its_creates_back_where_they_were(bench: Bench) -> None:
    slow, quick = Line(bench), Line(bench)
    slow.ledger = Ledger(bench.store, SCRIPTS, "up")
    running = await busy(quick)
    (first,) = await slow.queue("a")
    later = await quick.queue("a")
    for _ in range(4):
        await bench.advance(TICKET_SECONDS / 3)
        await quick.called()
    assert await slow.ask(first) == Queued(1, True)
    await quick.free(running)
    assert await quick.called() == [first]
    assert isinstance(await quick.ask(later[0]), Queued)


async def test_who_is_released_while_it_waits_leaves_and_cannot_come_back(bench: Bench, line: Line) -> None:
    running = await busy(line)
    first, second = await line.queue("a", 2)
    await line.ledger.release(first, sent=False, reason="the client hung up")
    await line.free(running)
    assert await line.called() == [second]
    with pytest.raises(Exception, match="already released"):
        await line.ask(first)


async def test_who_waits_no_longer_is_told_when_to_come_again_and_leaves(bench: Bench, line: Line) -> None:
    running = await busy(line)
    await bench.advance(8)
    await line.free(running)
    await busy(line)
    await bench.advance(3)
    (waiting,) = await line.queue("a")
    line.orders[waiting] = replace(line.orders[waiting], place=Place(1, 1, stay=False))
    refused = await line.ask(waiting)
    assert isinstance(refused, Busy)
    assert refused.wait_us == 5_000_000  # runs take 8 s here, and the one that has the slot has run for 3
    assert not [key for key in await bench.dump() if ":q" in key]


async def test_what_a_limit_refuses_when_its_turn_comes_leaves_and_the_next_is_called(bench: Bench) -> None:
    line = Line(bench)
    running = await busy(line)
    (poor,) = await line.queue("a")
    (second,) = await line.queue("b")
    await line.free(running)
    none = bench.postings(concurrency(0, "tenant/a"), scopes=("tenant/a", "account/up"))
    assert isinstance(await bench.ledger.reserve(line.orders[poor], none, ONE), OverLimit)
    assert await line.called() == [second]


async def test_a_queued_create_holds_no_money_and_its_key_is_in_progress(bench: Bench, line: Line) -> None:
    await busy(line)
    before = await bench.journal()
    (waiting,) = await line.queue("t", idempotency=("key", "print"))
    assert await bench.journal() == before
    repeat = bench.order(idempotency=("key", "print"))
    assert await bench.ledger.reserve(repeat, line.postings, ONE) == Pending(waiting)
    await bench.ledger.release(waiting, sent=False, reason="gone")
    assert isinstance(await bench.ledger.reserve(repeat, line.postings, ONE), Busy)


async def test_a_queued_create_keeps_its_idempotency_key_when_it_is_admitted(bench: Bench, line: Line) -> None:
    running = await busy(line)
    (waiting,) = await line.queue("t", idempotency=("key", "print"))
    await line.free(running)
    assert isinstance(await line.ask(waiting), Admitted)
    repeat = bench.order(idempotency=("key", "print"))
    assert await bench.ledger.reserve(repeat, line.postings, ONE) == Pending(waiting)


async def test_one_more_than_may_wait_of_a_tenant_is_refused_at_once(bench: Bench, line: Line) -> None:
    await busy(line)
    await line.queue("a", 2)
    request = await bench.request(
        bench.order(tenant="a", place=Place(1)), line.postings, line.postings.at(await bench.now())
    )
    request |= {"upstream": ONE, "queue": request["queue"] | {"most": 2}}
    what, *_ = await bench.store.run(SCRIPTS["reserve"], bench.ledger.prefix, request)
    assert (what, MOST_WAITING >= 1000) == (b"busy", True)
    await line.queue("b", 1)


async def test_the_line_is_shown_by_tenant_with_what_a_newcomer_would_wait(bench: Bench, line: Line) -> None:
    running = await busy(line)
    await bench.advance(4)
    await line.free(running)
    await busy(line)
    await line.queue("a", 3)
    await line.queue("b", 1)
    _, _, *lanes = await bench.store.run(SCRIPTS["waiting"], bench.ledger.prefix, waiting_request(ONE))
    assert lanes == [[b"a", 3, 4, 20_000_000], [b"b", 1, 2, 12_000_000]]


async def test_tickets_that_nobody_keeps_block_no_account_whose_queue_is_gone(bench: Bench, line: Line) -> None:
    running = await busy(line)
    await line.queue("a", 2)
    await line.free(running)
    await bench.advance(TICKET_SECONDS)
    assert isinstance(await bench.reserve(line.postings, upstream=ONE), Admitted)


async def test_who_is_called_when_a_slot_is_freed_hears_it_from_the_store(bench: Bench, line: Line) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    listening = asyncio.ensure_future(bench.store.listen(f"{bench.ledger.prefix}:q", heard.put_nowait))
    try:
        while heard.empty():
            # A subscription on a Cluster may be at another node, which has to have heard of it first.
            await bench.redis.publish(f"{bench.ledger.prefix}:q", "is anybody there?")
            await asyncio.sleep(0.02)
        running = await busy(line)
        first, _ = await line.queue("a", 2)
        await line.free(running)
        async with asyncio.timeout(10):
            while await heard.get() != first.encode():
                pass
    finally:
        listening.cancel()
        await asyncio.wait((listening,))
