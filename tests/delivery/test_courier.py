"""Webhooks reach their tenants: signed, as upstream wrote them, at least once, and not for ever."""

import asyncio
import base64
import hashlib
import hmac
from datetime import UTC, datetime

import msgspec
import pytest
from ledger.bench import nothing_changes
from standardwebhooks import Webhook as Verifier

from delivery.conftest import SECRET, Endpoint, Post, until
from gateway.delivery import courier as module
from gateway.delivery.signing import Signer
from gateway.domain.reservation import State
from gateway.domain.webhook import Webhook
from gateway.ledger.outbox import SEATS
from gateway.ledger.store import LedgerUnavailable

OWN = b'{"exec_id": "P", "status":"succeeded", "output": [], "error":"", "n": 1.50}'
HOOK = "{up}:w:"


async def ended(post: Post, webhook: Webhook, own: bool = True) -> str:
    """Run a prediction to its end and settle it; with upstream's `own` body there or not."""
    world = post.world
    reservation = await world.create(webhook=webhook)
    (prediction, *_) = reversed(await world.executions())
    await world.advance(3)
    if own:
        body = OWN.replace(b"P", prediction.encode())
        assert await world.arrivals.arrive(reservation, body) == "settled"
    else:
        await world.advance(8)
        await world.look()
    assert (await world.record(reservation)).state is State.SETTLED
    return reservation


async def test_a_tenant_gets_upstreams_body_unchanged_with_its_own_secret_and_a_signature(
    post: Post, endpoint: Endpoint
) -> None:
    reservation = await ended(post, endpoint.webhook)
    assert await post.round() == 1
    ((head, body),) = endpoint.got
    prediction = (await post.world.record(reservation)).prediction or ""
    assert body == OWN.replace(b"P", prediction.encode())
    assert (head["x-webhook-secret"], head["content-type"]) == ("qS3cret", "application/json")
    assert head["webhook-id"] == reservation
    at_s = int(head["webhook-timestamp"])
    assert at_s == await post.world.bench.now() // 1_000_000
    (secret,) = Signer(SECRET).secrets_of("webhooks of tenant/t")
    moment = datetime.fromtimestamp(at_s, UTC)
    assert head["webhook-signature"] == Verifier(secret).sign(reservation, moment, body.decode())
    key = base64.b64decode(secret.removeprefix("whsec_"))
    by_hand = hmac.new(key, f"{reservation}.{at_s}.".encode() + body, hashlib.sha256).digest()
    assert head["webhook-signature"] == f"v1,{base64.b64encode(by_hand).decode()}"
    assert post.counted("delivered") == 1
    assert await post.round() == 0
    assert "qS3cret" not in str(await post.world.bench.dump())


async def test_without_a_secret_none_is_sent(post: Post, endpoint: Endpoint) -> None:
    await ended(post, Webhook(endpoint.webhook.url))
    await post.round()
    assert "x-webhook-secret" not in endpoint.got[0][0]


@pytest.mark.parametrize("cost", ["ok", "fail"])
async def test_where_upstreams_webhook_is_lost_the_tenant_gets_one_in_its_shape(
    post: Post, endpoint: Endpoint, cost: str
) -> None:
    await post.world.faults(costs=[cost])
    reservation = await ended(post, endpoint.webhook, own=False)
    assert await post.round() == 0
    await post.world.advance(15)
    endpoint.statuses = [500]
    await post.round()
    await post.world.advance(5)
    await post.round()
    prediction = (await post.world.record(reservation)).prediction
    poll = (await post.world.http.get(f"/v1/prediction/{prediction}", headers={"X-API-Key": "k1"})).json()
    reason = "The model could not process this input." if cost == "fail" else ""
    assert msgspec.json.decode(endpoint.got[0][1]) == {
        "exec_id": prediction,
        "status": "failed" if cost == "fail" else "succeeded",
        "output": [{"error": reason}] if cost == "fail" else poll["output"],
        "error": reason,
        "flow_id": None,
    }
    assert endpoint.got[0][1] == endpoint.got[1][1]
    assert len(endpoint.got) == 2


async def test_upstreams_webhook_that_comes_after_all_is_no_second_one(post: Post, endpoint: Endpoint) -> None:
    reservation = await ended(post, endpoint.webhook, own=False)
    await post.world.advance(15)
    await post.round()
    body = OWN.replace(b"P", ((await post.world.record(reservation)).prediction or "").encode())
    assert await nothing_changes(post.world.bench, post.world.arrivals.arrive(reservation, body)) == "known"
    assert await post.round() == 0
    assert len(endpoint.got) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 408, 429, 500, 503])
async def test_what_is_no_receipt_is_tried_again_and_no_redirect_is_followed(
    post: Post, endpoint: Endpoint, status: int
) -> None:
    reservation = await ended(post, endpoint.webhook)
    endpoint.statuses = [status]
    await post.round()
    (waiting,) = await post.world.bench.outbox.listed(10)
    assert (waiting.id, waiting.tries, waiting.said) == (reservation, 1, f"answered {status}")
    assert await post.round() == 0
    await post.world.advance(5)
    await post.round()
    assert [head["webhook-id"] for head, _ in endpoint.got] == [reservation] * 2
    assert (post.counted("failed"), post.counted("delivered")) == (1, 1)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_a_receipt(post: Post, endpoint: Endpoint, status: int) -> None:
    endpoint.statuses = [status]
    await ended(post, endpoint.webhook)
    await post.round()
    assert post.counted("delivered") == 1


async def test_an_endless_answer_is_not_read(post: Post, endpoint: Endpoint) -> None:
    endpoint.tail = bytes(64 * 2**20)
    await ended(post, endpoint.webhook)
    await post.round()
    assert post.counted("delivered") == 1


async def test_after_a_day_of_failures_it_is_given_up_and_by_then_was_tried_often(
    post: Post, endpoint: Endpoint
) -> None:
    reservation = await ended(post, endpoint.webhook)
    endpoint.statuses = [503] * 1000
    bench, begun, pauses = post.world.bench, await post.world.bench.now(), []
    last = begun
    while await bench.outbox.listed(10):
        ((_, due),) = await bench.redis.zrange("{up}:lanes", 0, 0, withscores=True)
        await bench.at(max(int(due), begun))
        assert await post.round() == 1
        pauses.append((await bench.now() - last) // 1_000_000)
        last = await bench.now()
    assert pauses[:8] == [0, 5, 10, 20, 40, 80, 160, 320]
    assert max(pauses) == 3600
    assert 86_400 - 3600 < (last - begun) // 1_000_000 <= 86_400
    (dead,) = await bench.outbox.listed(10, dead=True)
    assert (dead.id, dead.said, dead.tries) == (reservation, "answered 503", len(endpoint.got))
    assert (post.counted("dead"), post.counted("failed")) == (1, len(pauses) - 1)


async def test_an_endpoint_that_says_that_it_is_gone_is_not_asked_again(post: Post, endpoint: Endpoint) -> None:
    endpoint.statuses = [410]
    await ended(post, endpoint.webhook)
    await post.round()
    (dead,) = await post.world.bench.outbox.listed(10, dead=True)
    assert dead.said == "answered 410 Gone"


async def test_an_address_that_is_not_public_by_now_is_not_called(post: Post, endpoint: Endpoint) -> None:
    await ended(post, Webhook("https://127.0.0.1/hook"))
    await post.round()
    (waiting,) = await post.world.bench.outbox.listed(10)
    assert "not a public IP address" in waiting.said


async def test_an_end_that_upstream_does_not_tell_is_asked_for_again(post: Post, endpoint: Endpoint) -> None:
    await ended(post, endpoint.webhook, own=False)
    await post.world.advance(15)
    await post.world.faults(polls=["500", "cut"])
    for pause in (5, 10, 0):
        assert await post.round() == 1
        await post.world.advance(pause)
    assert len(endpoint.got) == 1


async def test_nobody_is_told_of_a_cancel_that_came_after_the_cost_was_assumed(
    post: Post, endpoint: Endpoint
) -> None:
    world = post.world
    reservation = await world.create(webhook=endpoint.webhook)
    (prediction,) = await world.executions()
    await world.settlement.assume(await world.record(reservation), "processing")
    await world.upstream.cancel(prediction, b"", "main", [], "req")
    await world.advance(15)
    assert await post.round() == 1
    assert (endpoint.got, await world.bench.outbox.listed(10)) == ([], [])
    assert (post.counted("delivered"), post.counted("dead")) == (0, 0)


async def test_what_a_dead_worker_had_taken_is_delivered_by_another_under_the_same_id(
    post: Post, endpoint: Endpoint
) -> None:
    reservation = await ended(post, endpoint.webhook)
    endpoint.statuses = [0]
    (taken,) = await post.world.bench.outbox.take(10, module.LEASE_SECONDS)
    dying = asyncio.ensure_future(post.courier.deliver(taken))
    await until(lambda: endpoint.got)
    dying.cancel()
    await asyncio.wait([dying])
    assert await post.round() == 0
    await post.world.advance(module.LEASE_SECONDS)
    assert await post.round() == 1
    assert [head["webhook-id"] for head, _ in endpoint.got] == [reservation] * 2


async def test_what_is_not_answered_in_time_is_given_up_and_the_rest_goes_on(
    post: Post, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.5)
    endpoint.statuses = [0] * SEATS
    for _ in range(SEATS + 3):
        await ended(post, endpoint.webhook)
    running = asyncio.ensure_future(post.courier.run())
    await until(lambda: (post.counted("failed"), post.counted("delivered")) == (SEATS, 3))
    post.courier.stop()
    await running


async def test_it_runs_by_itself_and_survives_an_outage_of_the_store(
    post: Post, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    outbox, real, fates = (
        post.world.bench.outbox,
        post.world.bench.outbox.take,
        [LedgerUnavailable("away"), KeyError()],
    )

    async def take(most: int, lease_s: float) -> list[object]:
        if fates:
            raise fates.pop()
        return await real(most, lease_s)

    monkeypatch.setattr(outbox, "take", take)
    await ended(post, endpoint.webhook)
    running = asyncio.ensure_future(post.courier.run())
    await until(lambda: post.counted("delivered"))
    post.courier.stop()
    await running
