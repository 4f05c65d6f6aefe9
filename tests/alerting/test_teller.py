"""The teller: every alert is in the log once, whichever worker tells it, with what an operator needs to know."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger.bench import SCRIPTS, Bench, budget, count

from gateway.alerting.teller import Teller
from gateway.domain.limit import Limit
from gateway.domain.reservation import How
from gateway.domain.window import WindowName
from gateway.ledger.alerts import Alerts
from gateway.ledger.outbox import Outbox
from gateway.ledger.store import connect


async def tell(bench: Bench, *limits: Limit, tellers: int = 1) -> None:
    """Let tellers do one round each, at once."""
    alerts = Alerts(bench.store, SCRIPTS, bench.account)
    await asyncio.gather(*(Teller(alerts, bench.outbox, limits, lambda _: {}).round() for _ in range(tellers)))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, object]]]:
    caplog.set_level(logging.INFO, "gateway.alerts")
    return lambda: [json.loads(each.message) for each in caplog.records if each.name == "gateway.alerts"]


Lines = Callable[[], list[dict[str, object]]]


async def test_a_line_says_whose_limit_is_how_far(bench: Bench, lines: Lines) -> None:
    daily = budget(10**8, id="daily", alert_at=(0.8,))
    await bench.settled(bench.postings(daily), 10**7)
    await bench.admit(bench.postings(daily), 73_000_000)
    await tell(bench, daily)
    (line,) = lines()
    assert line.pop("alert")
    assert line == {
        "message": "limit 'daily' of tenant/t has reached 80 %: 0.83 of 1.00 USD used and held (day)",
        "account": "up",
        "scope": "tenant/t",
        "limit": "daily",
        "kind": "budget",
        "window": "day",
        "threshold": "0.8",
        "amount": "1.00",
        "used": "0.10",
        "held": "0.73",
        "reached_at": "2050-03-15T12:00:00.000Z",
        "resets_at": "2050-03-16T00:00:00.000Z",
    }


async def test_a_count_is_told_in_predictions_and_a_total_never_resets(bench: Bench, lines: Lines) -> None:
    ever = count(2, id="ever", window=WindowName.TOTAL, alert_at=(0.333,))
    await bench.admit(bench.postings(ever))
    await tell(bench, ever)
    (line,) = lines()
    assert line["message"] == "limit 'ever' of tenant/t has reached 33.3 %: 1 of 2 predictions used and held (total)"
    assert (line["amount"], line["used"], line["held"], line["resets_at"]) == (2, 1, 0, None)


async def test_two_workers_tell_it_once(bench: Bench, lines: Lines) -> None:
    daily = budget(100, alert_at=(0.1, 0.5, 0.9))
    await bench.admit(bench.postings(daily), 95)
    await tell(bench, daily, tellers=2)
    await tell(bench, daily, tellers=2)
    assert [line["threshold"] for line in lines()] == ["0.1", "0.5", "0.9"]


async def test_an_overrun_that_no_create_follows_is_told_all_the_same(bench: Bench, lines: Lines) -> None:
    daily = budget(100, alert_at=(1.0,))
    held = await bench.admit(bench.postings(daily), 50)
    await bench.ledger.confirm(held.id, "p", 5)
    await bench.ledger.settle(held.id, 120, How.EXACT, "success")
    await tell(bench, daily)
    assert [(line["threshold"], line["used"]) for line in lines()] == [("1.0", "0.0000012")]


async def test_a_store_that_is_away_does_not_end_a_teller(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr("gateway.alerting.teller.PAUSE_SECONDS", 0)
    store = connect(f"unix://{tmp_path}/nothing")
    teller = Teller(Alerts(store, SCRIPTS, "up"), Outbox(store, SCRIPTS, "up"), [], lambda _: {})
    task = asyncio.ensure_future(teller.run())
    while caplog.text.count("the ledger does not answer") < 2:
        done, _ = await asyncio.wait((task,), timeout=0.01)
        assert not done
    teller.stop()
    await task
    await store.aclose()
