import asyncio

import httpx
import pytest

from gateway.sandbox import SandboxConfig
from gateway.sandbox.faults import Faults


@pytest.mark.parametrize(("fault", "creates"), [("cut_before", 0), ("cut_after", 1)])
async def test_a_cut_closes_the_connection_without_a_byte(sandbox, fault, creates):
    await sandbox.faults(creates=[fault])
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await sandbox.create()
    sandbox.clock.advance(2)
    totals = (await sandbox.books())["totals"]
    assert (totals["creates"], totals["arrived"]) == (creates, 1)
    assert totals["billed"] == ("0.014" if creates else "0")
    assert totals["faults"] == {f"creates {fault}": 1}
    assert (await sandbox.create()).status_code == 200


async def test_a_cut_leaves_not_one_byte_on_the_wire(sandbox):
    await sandbox.faults(creates=["cut_after"])
    host, port = sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"model":"nano-banana","input":{"prompt":"x"}}'
    head = f"POST /v1/prediction HTTP/1.1\r\nHost: s\r\nX-API-Key: k\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_an_answer_can_break_off_in_its_middle(sandbox):
    await sandbox.faults(creates=["mid_answer"])
    key = {"X-API-Key": "k1"}
    body = {"model": "nano-banana", "input": {"prompt": "x"}}
    async with sandbox.client.stream("POST", "/v1/prediction", json=body, headers=key) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()
    assert (await sandbox.books())["totals"]["creates"] == 1


@pytest.mark.parametrize(
    ("fault", "status", "creates"),
    [
        ("500_before", 500, 0),
        ("500_after", 500, 1),
        ("429", 429, 0),
        ("401", 401, 0),
        ("402", 402, 0),
        ("403", 403, 0),
        ("400", 400, 0),
        ("503", 503, 0),
        ("ok", 200, 1),
    ],
)
async def test_an_error_comes_before_or_after_the_prediction_is_made(sandbox, fault, status, creates):
    await sandbox.faults(creates=[fault])
    answer = await sandbox.create()
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    totals = (await sandbox.books())["totals"]
    assert totals["creates"] == creates
    assert totals["refused"] == ({} if creates else {str(status): 1})
    assert totals["max_creates_in_60_s"] == {"k1": 1}


async def test_garbage_is_a_200_that_cannot_be_read(sandbox):
    await sandbox.faults(creates=["garbage"])
    answer = await sandbox.create()
    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()
    assert (await sandbox.books())["totals"]["creates"] == 1


@pytest.mark.parametrize(("fault", "creates_before"), [("slow:1.5", 1), ("late:1.5", 0)])
async def test_slow_answers_late_and_late_also_creates_late(sandbox, fault, creates_before):
    await sandbox.faults(creates=[fault])
    create = asyncio.create_task(sandbox.create())
    await sandbox.clock.until_sleeping(1)
    assert (await sandbox.books())["totals"]["creates"] == creates_before
    sandbox.clock.advance(1.5)
    assert (await create).status_code == 200
    assert (await sandbox.books())["totals"]["creates"] == 1


async def test_faults_befall_creates_in_order_then_stop(sandbox):
    await sandbox.faults(creates=["500_before", "ok"])
    await sandbox.faults(creates=["403"])
    assert [(await sandbox.create()).status_code for _ in range(4)] == [500, 200, 403, 200]


async def test_polls_and_executions_have_queues_of_their_own(sandbox):
    prediction_id = await sandbox.created()
    path = f"/v1/prediction/{prediction_id}"
    await sandbox.faults(polls=["503", "cut", "garbage"], executions=["500"])
    assert (await sandbox.get("/v1/executions")).status_code == 500
    assert (await sandbox.get(path)).status_code == 503
    with pytest.raises(httpx.RemoteProtocolError):
        await sandbox.get(path)
    with pytest.raises(ValueError):
        (await sandbox.get(path)).json()
    assert (await sandbox.get(path)).status_code == 200
    assert (await sandbox.books())["totals"]["polls"] == 4


async def test_a_fault_that_does_not_exist_queues_nothing(sandbox):
    for queues in ({"creates": ["403", "cut_off"]}, {"create": ["403"]}, {"creates": "403"}, {"costs": ["slow:1"]}):
        answer = await sandbox.client.post("/sandbox/faults", json=queues)
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert (await sandbox.create()).status_code == 200


async def test_a_fault_queued_now_spares_what_has_ended_before(sandbox):
    prediction_id = await sandbox.created()
    sandbox.clock.advance(2)
    await sandbox.faults(costs=["0.02"])
    assert (await sandbox.poll(prediction_id))["metrics"]["cost"] == 0.014


def test_chances_repeat_from_their_seed():
    def drawn(seed: int) -> list[str]:
        config = SandboxConfig(seed=seed, cut_before_rate=0.2, cut_after_rate=0.2, slow_rate=0.2)
        faults = Faults(config)
        return [faults.next_name("creates") for _ in range(200)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert set(drawn(1)) == {"ok", "cut_before", "cut_after", "slow:5.0"}


def test_rates_above_one_are_refused():
    with pytest.raises(ValueError, match="at most 1"):
        Faults(SandboxConfig(cut_before_rate=0.7, cut_after_rate=0.7))
