import signal
import socket
import subprocess
import sys

import httpx
import pytest

from gateway.sandbox import MemoryInvalid, SandboxConfig, create_app

KEY = {"X-API-Key": "k1"}
IMAGE = {"model": "eachlabs-bg-remover-v1", "input": {"image_url": "https://example.com/a.png"}}


@pytest.fixture
def state(tmp_path):
    """The file of `session`: not there yet, in a folder that is not there yet."""
    return tmp_path / "data" / "sandbox.jsonl"


async def test_a_restarted_sandbox_answers_for_what_it_made(session):
    async with session() as first:
        done = await first.created()
        stopped = await first.created(model=IMAGE["model"], input=IMAGE["input"])
        await first.cancel(stopped)
        first.clock.advance(2)
        polled = [await first.poll(done), await first.poll(stopped)]
        books = await first.books()
    async with session() as second:
        assert [await second.poll(done), await second.poll(stopped)] == polled
        again = await second.books()
        assert again["creates"] == books["creates"]
        for name in ("creates", "billed", "max_in_flight"):
            assert again["totals"][name] == books["totals"][name]
        assert (await second.client.get(f"/output/{done}-0.png")).content.startswith(b"\x89PNG")
        listed = (await second.get("/v1/executions")).json()["executions"]
        assert [execution["id"] for execution in listed] == [stopped, done]


async def test_what_ran_when_it_stopped_runs_on_and_is_billed_once(session):
    async with session() as first:
        prediction_id = await first.created()
    async with session(concurrent=1) as second:
        assert (await second.poll(prediction_id))["status"] == "starting"
        assert (await second.create()).status_code == 429
        second.clock.advance(2)
        assert (await second.poll(prediction_id))["metrics"]["cost"] == 0.014
    async with session() as third:
        assert (await third.poll(prediction_id))["status"] == "success"
        assert (await third.books())["totals"]["billed"] == "0.014"


async def test_how_readers_see_a_cost_is_remembered(session):
    async with session() as first:
        await first.faults(costs=["absent"])
        prediction_id = await first.created()
        first.clock.advance(2)
        await first.poll(prediction_id)
    async with session() as second:
        assert "cost" not in (await second.poll(prediction_id))["metrics"]


async def test_the_webhook_of_what_still_ran_is_delivered_after_the_restart(session, receiver):
    async with session() as first:
        await first.created(webhook_url=receiver.url, webhook_secret="s")
    async with session() as second:
        await second.clock.until_sleeping(1)
        second.clock.advance(2)
        head, _ = await receiver.received.get()
        assert "x-webhook-secret: s\r\n" in head


async def test_a_torn_last_line_is_dropped_and_writing_goes_on_after_it(session, state):
    async with session() as first:
        kept = await first.created()
        await first.created()
    state.write_bytes(state.read_bytes()[:-5])
    async with session() as second:
        more = await second.created()
    async with session() as third:
        assert [entry["id"] for entry in (await third.books())["creates"]] == [kept, more]


async def test_a_model_that_is_no_longer_known_is_forgotten_with_its_predictions(session, state):
    async with session() as first:
        prediction_id = await first.created()
        await first.cancel(prediction_id)
    state.write_text(state.read_text().replace("flux-2-klein-4b-base-edit", "gone"))
    async with session() as second:
        assert (await second.books())["creates"] == []


def test_a_line_that_is_none_of_a_sandbox_is_an_error_that_says_where(state):
    state.parent.mkdir()
    state.write_text('{"event":"ended"}\n')
    with pytest.raises(MemoryInvalid, match=r"sandbox\.jsonl:1 is no line of a sandbox"):
        create_app(SandboxConfig(state=state))


def test_the_file_is_readable_by_its_owner_alone(state):
    create_app(SandboxConfig(state=state))
    assert (state.stat().st_mode & 0o777, state.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def _command(*flags):
    program = [sys.executable, "-m", "gateway", "sandbox", "--seconds", "0.1", *flags]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _url_of(program):
    return program.stdout.readline().removeprefix("ready ").strip()


def test_a_killed_program_remembers_by_its_state_file(state):
    flags = ("--listen", "127.0.0.1:0", "--state", str(state))
    with _command(*flags) as first:
        created = httpx.post(f"{_url_of(first)}/v1/prediction", json=IMAGE, headers=KEY, trust_env=False)
        first.kill()
    with _command(*flags) as second:
        address = f"{_url_of(second)}/v1/prediction/{created.json()['predictionID']}"
        assert httpx.get(address, headers=KEY, trust_env=False).json()["id"] in address
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0


def test_a_port_that_is_taken_is_an_error_unless_any_port_will_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with _command("--listen", f"127.0.0.1:{port}", "--or-any-port") as other:
            assert _url_of(other).startswith("http://127.0.0.1:")
            other.terminate()
        with _command("--listen", f"127.0.0.1:{port}") as failed:
            assert failed.wait(10) == 1
            assert failed.stderr.read().startswith(f"cannot listen on 127.0.0.1:{port}")


def test_a_state_file_that_cannot_be_used_is_said_in_one_line(tmp_path):
    with _command("--listen", "127.0.0.1:0", "--state", str(tmp_path)) as failed:
        assert failed.wait(10) == 1
        assert failed.stderr.read().startswith(f"--state: {tmp_path} cannot be used")
