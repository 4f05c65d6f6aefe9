"""Calls of our own address: what they prove, and that nothing happens on their word alone."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from ledger.bench import SCRIPTS, nothing_changes

from gateway.domain.reservation import How, State
from gateway.domain.webhook import Webhook
from gateway.ledger.audit import Auditor
from gateway.sandbox.config import PollShape
from gateway.settlement.arrivals import Arrival
from gateway.upstream.digest import digest_input
from settlement.conftest import BODY, INPUT, PRICE, Start, World

HOOK = Webhook("https://tenant.example.com/done", "s3cret")
OTHER = BODY.replace(b"a cat", b"a dog")


NO_WEBHOOKS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"[" * 100_000,
    b"\xff" * 9,
    b'{"exec_id":1,"status":"succeeded"}',
    b'{"exec_id":"\xff","status":"succeeded"}',
    b'{"exec_id":"..","status":"succeeded"}',
    b'{"exec_id":"a/b","status":"succeeded"}',
    b'{"exec_id":"","status":"succeeded"}',
    b'{"exec_id":"p"}',
]


@pytest.fixture
async def world(start: Start) -> World:
    """A world in which upstream calls an address where nobody is; tests bring the calls themselves."""
    return await start(public_url="http://127.0.0.1:1", webhook_retry_seconds=0)


def told(prediction: str, status: str = "succeeded", output: object = None) -> bytes:
    return msgspec.json.encode({"exec_id": prediction, "status": status, "output": output, "error": ""})


async def arrive(world: World, reservation: str, prediction: str, **more: object) -> Arrival:
    return await world.arrivals.arrive(reservation, told(prediction, **more))


async def ended(world: World, number: int = 1) -> list[str]:
    """Let everything end upstream, and wait until it has a record of so many webhooks; gives the executions."""
    await world.advance(3)
    for _ in range(500):
        listed = (await world.http.get("/v1/webhooks", headers={"X-API-Key": "k1"})).json()
        if listed["total_count"] >= number:
            return await world.executions()
        await asyncio.sleep(0.01)
    raise AssertionError(listed)


async def polls(world: World) -> int:
    return (await world.http.get("/sandbox/books")).json()["totals"]["polls"]


async def kept(world: World, reservation: str) -> bytes | None:
    return await world.bench.redis.hget(f"{{up}}:w:{reservation}", "body")


async def test_the_end_of_a_running_prediction_is_settled_by_a_poll_and_a_repeat_does_nothing(world: World) -> None:
    reservation = await world.create()
    (prediction,) = await ended(world)
    assert await arrive(world, reservation, prediction) is Arrival.SETTLED
    found = await world.record(reservation)
    assert (found.state, found.cost, found.how) == (State.SETTLED, PRICE, How.EXACT)
    asked = await polls(world)
    for _ in range(3):
        repeat = arrive(world, reservation, prediction, status="failed")
        assert await nothing_changes(world.bench, repeat) is Arrival.KNOWN
    assert await polls(world) == asked
    assert world.settlements("exact") == 1


async def test_a_call_before_the_end_changes_nothing(world: World) -> None:
    reservation = await world.create()
    (prediction,) = await world.executions()
    assert await nothing_changes(world.bench, arrive(world, reservation, prediction)) is Arrival.EARLY
    await world.faults(polls=["500", "cut"])
    for _ in range(2):
        assert await nothing_changes(world.bench, arrive(world, reservation, prediction)) is Arrival.EARLY


@pytest.mark.parametrize("body", NO_WEBHOOKS)
async def test_a_body_that_is_no_webhook_changes_nothing(world: World, body: bytes) -> None:
    reservation = await world.create("cut_after")
    arriving = world.arrivals.arrive(reservation, body)
    assert await nothing_changes(world.bench, arriving) is Arrival.FOREIGN


async def test_nothing_is_known_of_a_reservation_that_was_never_made(world: World) -> None:
    await world.create()
    assert await nothing_changes(world.bench, arrive(world, "res_0", "p")) is Arrival.UNKNOWN


async def test_a_foreign_execution_does_not_touch_a_running_prediction(world: World) -> None:
    mine = await world.create()
    await world.create(tenant="s")
    _, theirs = await ended(world, 2)
    assert await nothing_changes(world.bench, arrive(world, mine, theirs)) is Arrival.FOREIGN


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "garbage"])
async def test_a_doubt_is_ended_by_its_own_call(world: World, fault: str) -> None:
    reservation = await world.create(fault)
    (prediction,) = await ended(world)
    assert await arrive(world, reservation, prediction) is Arrival.SETTLED
    found = await world.record(reservation)
    assert (found.state, found.cost, found.prediction) == (State.SETTLED, PRICE, prediction)


async def test_calls_tell_equal_doubts_of_two_tenants_apart_which_the_list_alone_cannot(world: World) -> None:
    mine, theirs = await world.create("cut_after"), await world.create("cut_after", "s")
    await world.look()
    first, second = await ended(world, 2)
    assert await arrive(world, theirs, second) is Arrival.SETTLED
    assert await arrive(world, mine, first) is Arrival.SETTLED
    assert [(await world.record(each)).prediction for each in (mine, theirs)] == [first, second]


async def test_a_forged_body_cannot_give_another_tenants_execution_to_a_doubt(world: World) -> None:
    mine, theirs = await world.create("cut_before"), await world.create("cut_after", "s")
    (foreign,) = await ended(world)
    assert await nothing_changes(world.bench, arrive(world, mine, foreign)) is Arrival.FOREIGN
    assert await arrive(world, theirs, foreign) is Arrival.SETTLED
    assert await nothing_changes(world.bench, arrive(world, mine, foreign)) is Arrival.FOREIGN


async def test_a_call_that_comes_before_the_creates_answer_binds_it_and_the_answer_changes_nothing(
    world: World,
) -> None:
    reservation = await world.hold()
    prediction = await world.send(reservation=reservation)
    assert prediction is not None
    await ended(world)
    assert await arrive(world, reservation, prediction) is Arrival.SETTLED
    await nothing_changes(world.bench, world.bench.ledger.confirm(reservation, prediction, 5))
    await nothing_changes(world.bench, world.bench.ledger.doubt(reservation, "cut", 5))
    assert (await world.record(reservation)).cost == PRICE


async def test_who_repeats_a_create_that_its_call_found_gets_the_prediction(world: World) -> None:
    idempotency = ("key", "print")
    reservation = await world.create("cut_after", idempotency=idempotency)
    (prediction,) = await ended(world)
    await arrive(world, reservation, prediction)
    again = await world.bench.reserve(world.bench.postings(), idempotency=idempotency)
    assert msgspec.json.decode(again.body)["predictionID"] == prediction


@pytest.mark.parametrize("fault", ["500", "cut", "garbage", "401"])
async def test_a_doubt_waits_where_upstreams_own_record_cannot_be_read(world: World, fault: str) -> None:
    reservation = await world.create("cut_after")
    (prediction,) = await ended(world)
    await world.faults(history=[fault])
    assert await nothing_changes(world.bench, arrive(world, reservation, prediction)) is Arrival.EARLY
    assert await arrive(world, reservation, prediction) is Arrival.SETTLED


async def unrecorded(world: World, reservation: str, body: bytes = BODY) -> str:
    """Run something of which upstream has no record of a webhook; the reservation's own answer is lost."""
    prediction = await world.send(body)
    assert prediction is not None
    await world.bench.ledger.doubt(reservation, "no answer", 5)
    await world.advance(3)
    return prediction


async def test_where_upstream_keeps_no_record_the_call_must_fit_model_time_and_input(world: World) -> None:
    reservation = await world.hold(input_digest="x")
    other = await unrecorded(world, reservation, OTHER)
    assert await nothing_changes(world.bench, arrive(world, reservation, other)) is Arrival.EARLY
    late = await world.hold(input_digest=digest_input(INPUT))
    await world.advance(45)
    unfit = await unrecorded(world, late)
    assert await nothing_changes(world.bench, arrive(world, late, unfit)) is Arrival.EARLY


async def test_what_another_reservation_owns_is_not_charged_to_one_that_was_assumed(world: World) -> None:
    mine = await world.hold()
    await world.bench.ledger.doubt(mine, "no answer", 5)
    await world.settlement.assume(await world.record(mine), "in_doubt")
    await world.faults(costs=["0.02"])
    theirs = await unrecorded(world, await world.hold("s"))
    await world.bench.ledger.confirm((await world.bench.views.doubts(0, 2**53))[0].id, theirs, 5)
    assert await nothing_changes(world.bench, arrive(world, mine, theirs)) is Arrival.FOREIGN


async def test_where_upstream_keeps_no_record_a_call_that_fits_is_believed(start: Start) -> None:
    world = await start(public_url="http://127.0.0.1:1", poll_shape=PollShape.MODEL_PAGE)
    reservation = await world.hold()
    prediction = await unrecorded(world, reservation)
    assert await arrive(world, reservation, prediction) is Arrival.SETTLED


async def test_a_success_without_a_cost_is_recorded_and_settled_later(world: World) -> None:
    await world.faults(costs=["zero"])
    reservation = await world.create(webhook=HOOK)
    (prediction,) = await ended(world)
    assert await arrive(world, reservation, prediction) is Arrival.SETTLED
    found = await world.record(reservation)
    assert (found.state, found.finished_us) == (State.RUNNING, await world.bench.now())
    assert await kept(world, reservation) is not None
    await world.advance(61)
    await world.look()
    assert (await world.record(reservation)).how is How.ASSUMED
    assert await world.bench.redis.zscore("{up}:outbox", reservation) is not None


async def test_a_call_for_what_was_cancelled_settles_and_tells_the_tenant_nothing(world: World) -> None:
    reservation = await world.create(webhook=HOOK)
    (prediction,) = await world.executions()
    await world.upstream.cancel(prediction, b"", "main", [], "req")
    assert await arrive(world, reservation, prediction) is Arrival.SETTLED
    assert (await world.record(reservation)).cost == 0
    assert await kept(world, reservation) is None
    assert await world.bench.redis.exists(f"{{up}}:w:{reservation}", "{up}:outbox") == 0


async def test_a_doubt_that_was_charged_by_assumption_is_corrected_by_its_call(world: World) -> None:
    await world.faults(costs=["0.02"])
    reservation = await world.create("cut_after")
    (prediction,) = await ended(world)
    await world.settlement.assume(await world.record(reservation), "in_doubt")
    assert await arrive(world, reservation, prediction) is Arrival.SETTLED
    found = await world.record(reservation)
    assert (found.cost, found.how) == (2_000_000, How.LATE)
    assert await nothing_changes(world.bench, arrive(world, reservation, prediction)) is Arrival.KNOWN


@pytest.mark.parametrize("cost", ["0.02", "zero"])
async def test_what_was_released_as_absent_and_ran_is_charged_late_by_its_call(world: World, cost: str) -> None:
    await world.faults(costs=[cost])
    reservation = await world.create("cut_after")
    await world.settlement.release(reservation, sent=True, reason="absent upstream")
    (prediction,) = await ended(world)
    if cost == "zero":
        assert await nothing_changes(world.bench, arrive(world, reservation, prediction)) is Arrival.EARLY
        return
    assert await arrive(world, reservation, prediction) is Arrival.SETTLED
    found = await world.record(reservation)
    assert (found.state, found.cost, found.how) == (State.RELEASED, 2_000_000, How.LATE)
    assert world.settlements("late") == 1
    assert await nothing_changes(world.bench, arrive(world, reservation, prediction)) is Arrival.KNOWN
    assert not (await Auditor(world.bench.store, SCRIPTS, "up").verify()).faults


async def output_of(world: World, prediction: str) -> object:
    answer = await world.http.get(f"/v1/prediction/{prediction}", headers={"X-API-Key": "k1"})
    return answer.json()["output"]


Say = Callable[[World, str], Awaitable[bytes]]


async def whole(world: World, prediction: str) -> bytes:
    return told(prediction, output=await output_of(world, prediction)).replace(b"{", b'{ "more": 1.10,', 1)


async def first(world: World, prediction: str) -> bytes:
    return told(prediction, output=(await output_of(world, prediction))[0])


@pytest.mark.parametrize("say", [whole, first])
async def test_the_tenant_gets_upstreams_own_bytes(world: World, say: Say) -> None:
    reservation = await world.create(webhook=HOOK)
    (prediction,) = await ended(world)
    body = await say(world, prediction)
    await world.arrivals.arrive(reservation, body)
    assert await kept(world, reservation) == body


@pytest.mark.parametrize("forged", [{"status": "failed"}, {"output": ["https://evil.example.com/x.png"]}])
async def test_a_body_that_a_poll_contradicts_is_not_passed_on(world: World, forged: dict[str, object]) -> None:
    reservation = await world.create(webhook=HOOK)
    (prediction,) = await ended(world)
    assert await arrive(world, reservation, prediction, **forged) is Arrival.SETTLED
    body = msgspec.json.decode(await kept(world, reservation) or b"")
    output = await output_of(world, prediction)
    assert body == {
        "exec_id": prediction,
        "status": "succeeded",
        "output": output,
        "error": "",
        "flow_id": None,
    }


async def test_the_body_of_a_call_after_the_settlement_is_kept_while_somebody_waits_for_it(world: World) -> None:
    reservation = await world.create(webhook=HOOK)
    (prediction,) = await ended(world)
    await world.advance(8)
    await world.look()
    assert (await world.record(reservation)).state is State.SETTLED
    body = await whole(world, prediction)
    assert await world.arrivals.arrive(reservation, body) is Arrival.SETTLED
    assert await kept(world, reservation) == body
    forged = arrive(world, reservation, prediction, status="failed")
    assert await nothing_changes(world.bench, forged) is Arrival.KNOWN
