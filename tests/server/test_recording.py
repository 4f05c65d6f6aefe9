"""What happened upstream reaches the ledger, whatever becomes of the client or the store."""

import asyncio
import time

import pytest

from gateway.ledger.store import LedgerUnavailable
from gateway.server import recording
from gateway.server.recording import NOT_YET, Recorder


class Action:
    """Fails so often, then answers; counts its calls."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.calls, self.done = failures, 0, asyncio.Event()

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise LedgerUnavailable("away")
        self.done.set()
        return "recorded"


async def test_a_record_is_written_once_and_its_result_given() -> None:
    action = Action()
    assert await Recorder().record("it", action) == "recorded"
    assert action.calls == 1


async def test_a_record_is_repeated_until_the_ledger_has_it() -> None:
    action = Action(failures=3)
    assert await Recorder().record("it", action) == "recorded"
    assert action.calls == 4


async def test_the_client_waits_no_longer_than_its_patience_and_the_record_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "PATIENCE_SECONDS", 0.02)
    action, begun, recorder = Action(failures=2), time.monotonic(), Recorder()
    assert await recorder.record("it", action) is NOT_YET
    assert time.monotonic() - begun < 0.5
    await asyncio.wait_for(action.done.wait(), 5)
    await recorder.drain(5)
    assert action.calls == 3


async def test_a_caller_that_is_cancelled_does_not_end_the_record() -> None:
    action, recorder = Action(failures=2), Recorder()
    asking = asyncio.create_task(recorder.record("it", action))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(action.done.wait(), 5)


async def test_another_fault_is_not_swallowed() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Recorder().record("it", broken)


async def test_a_drain_waits_for_what_is_open_and_says_what_it_left(caplog: pytest.LogCaptureFixture) -> None:
    recorder, short, endless = Recorder(), Action(failures=1), asyncio.Event()
    recorder.keep(recorder._until_done("short", short))
    await recorder.drain(5)
    assert short.done.is_set()
    hanging = recorder.keep(endless.wait())
    await recorder.drain(0.01)
    assert "1 records did not reach the ledger" in caplog.text
    endless.set()
    await hanging
    await recorder.drain(0.01)
