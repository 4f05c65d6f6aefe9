import json

import httpx
import pytest


async def delivered(receiver):
    head, body = await receiver.received.get()
    return head, json.loads(body)


async def test_a_success_is_delivered_with_its_secret_verbatim(sandbox, receiver):
    hook = {"webhook_url": receiver.url, "webhook_secret": "S3cret/=+"}
    prediction_id = await sandbox.created(**hook)
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(2)
    head, body = await delivered(receiver)
    assert "x-webhook-secret: s3cret/=+\r\n" in head
    assert body == {
        "exec_id": prediction_id,
        "status": "succeeded",
        "output": [f"{sandbox.url}/output/{prediction_id}-0.png"],
        "error": "",
        "flow_id": None,
    }


async def test_a_failure_is_delivered_with_its_reason(sandbox, receiver):
    await sandbox.faults(costs=["fail"])
    await sandbox.created(webhook_url=receiver.url)
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(2)
    head, body = await delivered(receiver)
    assert "x-webhook-secret" not in head
    assert body["status"] == "failed"
    assert body["output"][0]["error"] == body["error"]


async def test_a_receiver_is_tried_three_times_ten_seconds_apart(sandbox, receiver):
    receiver.statuses = [500, 302, 404]
    prediction_id = await sandbox.created(webhook_url=receiver.url)
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(2)
    for _ in range(2):
        await receiver.received.get()
        await sandbox.clock.until_sleeping(1)
        sandbox.clock.advance(10)
    await receiver.received.get()
    await sandbox.clock.until_sleeping(0)
    shown = await _history(sandbox, prediction_id, attempts=3)
    assert [attempt["status_code"] for attempt in shown["attempts"]] == [500, 302, 404]
    assert {attempt["status"] for attempt in shown["attempts"]} == {"FAILED"}
    assert [attempt["created_at"][17:19] for attempt in shown["attempts"]] == ["02", "12", "22"]


async def test_any_2xx_acknowledges(sandbox, receiver):
    receiver.statuses = [503, 204]
    prediction_id = await sandbox.created(webhook_url=receiver.url)
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(2)
    await receiver.received.get()
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(10)
    await receiver.received.get()
    shown = await _history(sandbox, prediction_id, attempts=2)
    assert [attempt["status"] for attempt in shown["attempts"]] == ["FAILED", "SUCCESS"]


async def _history(sandbox, prediction_id, attempts):
    # The receiver has its request before the sandbox has noted the answer.
    while True:
        answer = await sandbox.get(f"/v1/webhooks/{prediction_id}")
        if answer.status_code == 200 and len(answer.json()["attempts"]) >= attempts:
            return answer.json()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/", "no address", "http://[", "ftp://x/"])
async def test_a_receiver_that_cannot_be_reached_is_noted(start, address):
    sandbox = await start(webhook_retry_seconds=0)
    prediction_id = await sandbox.created(webhook_url=address)
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(2)
    await sandbox.clock.until_sleeping(0)
    while (await sandbox.get("/v1/webhooks")).json()["total_count"] == 0:
        pass
    shown = await _history(sandbox, prediction_id, attempts=3)
    assert [attempt["status"] for attempt in shown["attempts"]] == ["FAILED"] * 3
    assert shown["attempts"][0]["error_message"]


async def test_no_webhook_follows_a_cancel_and_an_empty_address_means_none(sandbox, receiver):
    cancelled = await sandbox.created(webhook_url=receiver.url)
    await sandbox.created(webhook_url="")
    await sandbox.created(webhook_url=None)
    await sandbox.cancel(cancelled)
    last = await sandbox.created(webhook_url=receiver.url)
    await sandbox.clock.until_sleeping(2)
    sandbox.clock.advance(2)
    _, body = await delivered(receiver)
    assert body["exec_id"] == last
    assert receiver.received.empty()
    listing = (await sandbox.get("/v1/webhooks")).json()
    assert [webhook["execution_id"] for webhook in listing["webhooks"]] == [last]
    assert (listing["total_count"], listing["limit"], listing["offset"]) == (1, 50, 0)
    assert listing["webhooks"][0]["url"] == receiver.url
    assert (await sandbox.get(f"/v1/webhooks/{cancelled}")).status_code == 404


async def test_a_webhook_can_be_lost_or_come_twice(sandbox, receiver):
    await sandbox.faults(webhooks=["lost", "duplicate"])
    await sandbox.created(webhook_url=receiver.url)
    sandbox.clock.advance(1)
    second = await sandbox.created(webhook_url=receiver.url)
    await sandbox.clock.until_sleeping(2)
    sandbox.clock.advance(1)
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(1)
    bodies = [(await delivered(receiver))[1] for _ in range(2)]
    assert [body["exec_id"] for body in bodies] == [second, second]


@pytest.mark.parametrize("copies", [0, 1, 5])
async def test_a_webhook_comes_as_often_as_it_is_told_to(sandbox, receiver, copies):
    await sandbox.faults(webhooks=[f"copies:{copies}", "ok"])
    await sandbox.created(webhook_url=receiver.url)
    sandbox.clock.advance(0.5)
    last = await sandbox.created(webhook_url=receiver.url)
    await sandbox.clock.until_sleeping(2)
    sandbox.clock.advance(1.5)
    for _ in range(copies):
        await delivered(receiver)
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(0.5)
    assert (await delivered(receiver))[1]["exec_id"] == last


async def test_a_dropped_webhook_stands_in_the_history_and_never_arrives(sandbox, receiver):
    await sandbox.faults(webhooks=["dropped"])
    dropped = await sandbox.created(webhook_url=receiver.url)
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(2)
    shown = await _history(sandbox, dropped, attempts=0)
    assert shown["url"] == receiver.url
    assert [attempt["status"] for attempt in shown["attempts"]] == ["FAILED"] * 3
    assert receiver.received.empty()


async def test_a_webhook_can_come_long_after_the_end(sandbox, receiver):
    await sandbox.faults(webhooks=["delay:60"])
    prediction_id = await sandbox.created(webhook_url=receiver.url)
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(2)
    await sandbox.clock.until_sleeping(1)
    assert (await sandbox.get("/v1/webhooks")).json()["total_count"] == 0
    sandbox.clock.advance(60)
    assert (await delivered(receiver))[1]["exec_id"] == prediction_id


async def test_the_history_can_fail(sandbox):
    await sandbox.faults(history=["500", "cut", "404"])
    assert (await sandbox.get("/v1/webhooks")).status_code == 500
    with pytest.raises(httpx.RemoteProtocolError):
        await sandbox.get("/v1/webhooks/p")
    assert (await sandbox.get("/v1/webhooks")).status_code == 404
    assert (await sandbox.get("/v1/webhooks")).status_code == 200
