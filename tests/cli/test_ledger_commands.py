"""`gateway usage` and `gateway ledger`, on a store that they start for their own time."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.conftest import on_store, spend
from gateway.domain.reservation import How
from gateway.ledger.ledger import Ledger
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import Store
from gateway.ledger.views import Views

Run = Callable[..., tuple[int, str, str]]


def test_usage_tells_what_was_charged_and_what_is_held(gateway: Run) -> None:
    status, out, _ = gateway("usage", "--json")
    assert status == 0
    assert json.loads(out) == [
        {
            "day": datetime.now(UTC).date().isoformat(),
            "account": "eachlabs",
            "tenant": "acme",
            "key": "web",
            "model": "flux-2-klein-4b-base-edit",
            "predictions": 2,
            "charged_usd": "0.014",
            "held_usd": "0.017",
        }
    ]


def test_usage_says_the_same_as_table_and_as_csv(gateway: Run) -> None:
    _, table, _ = gateway("usage")
    assert table.splitlines()[-1].split() == ["total", "2", "0.014", "0.017"]
    _, text, _ = gateway("usage", "--csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["predictions"], row["charged_usd"], row["held_usd"]) == ("2", "0.014", "0.017")


def test_usage_of_other_days_is_empty(gateway: Run) -> None:
    assert json.loads(gateway("usage", "--json", "--until", "2020-01-01")[1]) == []


def test_a_focus_row_bears_cost_account_and_month(gateway: Run) -> None:
    _, text, _ = gateway("usage", "--focus")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["BilledCost"], row["BillingCurrency"], row["SubAccountId"]) == ("0.014", "USD", "acme")
    assert row["BillingPeriodStart"].endswith("-01T00:00:00Z")
    assert json.loads(row["Tags"]) == {"key": "web"}


def test_the_drift_of_a_price_that_is_no_longer_in_force_is_told_and_not_explained(gateway: Run) -> None:
    status, out, _ = gateway("prices", "drift", "--json")
    assert status == 0
    (row,) = json.loads(out)
    assert (row["model"], row["price_version"], row["predictions"]) == ("flux-2-klein-4b-base-edit", "v1", 1)
    assert (row["estimated_usd"], row["billed_usd"], row["ratio"]) == ("0.014", "0.014", "1.0000")
    assert (row["explained_by"], row["explanations"]) == ("not the price that the policy has now", [])
    assert gateway("prices", "drift")[1].splitlines()[1].startswith("flux-2-klein-4b-base-edit  v1")
    assert json.loads(gateway("prices", "drift", "--json", "--until", "2020-01-01")[1]) == []


def test_a_ledger_that_is_right_verifies(gateway: Run) -> None:
    status, out, _ = gateway("ledger", "verify")
    assert (status, out.split(": ")[-1]) == (0, "right\n")


def test_a_wrong_counter_is_found_and_rebuilt(gateway: Run, data_dir: Path) -> None:
    async def spoil(store: Store) -> None:
        _, keys = await store.read("SCAN", 0, "MATCH", "{eachlabs}:c:tenant/acme|*", "COUNT", 1000)
        await store.read("HINCRBY", keys[0], "c", 1)

    asyncio.run(on_store(data_dir, spoil))
    status, out, err = gateway("ledger", "verify")
    assert (status, "1 faults" in out) == (1, True)
    assert "tenant/acme|" in err
    assert gateway("ledger", "rebuild")[0] == 0
    assert gateway("ledger", "verify")[0] == 0


def test_a_missing_entry_of_the_journal_is_found(gateway: Run, data_dir: Path) -> None:
    async def remove(store: Store) -> None:
        await store.read("XDEL", "{eachlabs}:journal", "2-0")

    async def restore(store: Store) -> None:
        await store.read("FLUSHALL", "SYNC")
        await spend(store)

    asyncio.run(on_store(data_dir, remove))
    status, _, err = gateway("ledger", "verify")
    assert (status, "no entry 2" in err) == (1, True)
    asyncio.run(on_store(data_dir, restore))


def test_an_export_goes_on_where_it_stopped(gateway: Run, tmp_path: Path) -> None:
    whole = [json.loads(line) for line in gateway("ledger", "export")[1].splitlines()]
    assert [line["sequence"] for line in whole] == list(range(1, len(whole) + 1))
    assert {line["event"] for line in whole} == {"reserve", "confirm", "settle", "release"}
    file = tmp_path / "journal.jsonl"
    file.write_text("\n".join(map(json.dumps, whole[:2])) + '\n{"sequence": 3, "cut')
    gateway("ledger", "export", "--output", str(file))
    assert [json.loads(line) for line in file.read_text().splitlines()] == whole
    gateway("ledger", "export", "--output", str(file))
    assert len(file.read_text().splitlines()) == len(whole)


def test_an_export_shows_a_correction_in_dollars_as_every_other_amount(gateway: Run, data_dir: Path) -> None:
    async def correct(store: Store) -> None:
        ledger, views = Ledger(store, load_scripts(), "eachlabs"), Views(store, "eachlabs")
        await ledger.settle("running", 1_700_000, How.ASSUMED, "success")
        assumed = await views.reservation("running")
        assert assumed is not None
        assert await ledger.correct(assumed, 1_700_000, 1_500_000)

    asyncio.run(on_store(data_dir, correct))
    last = json.loads(gateway("ledger", "export")[1].splitlines()[-1])
    assert (last["event"], last["more"], last["cost"]) == ("correct", "-0.002", "0.015")


def test_a_store_that_is_not_there_is_told(gateway: Run) -> None:
    status, _, err = gateway("usage", "--redis-url", "redis://127.0.0.1:1")
    assert (status, err.startswith("gateway usage: ")) == (1, True)


def test_a_period_without_an_hour_in_it_is_not_reconciled(gateway: Run) -> None:
    for words in (("--from", "2026-01-02", "--to", "2026-01-01"), ("--from", "2999-01-01")):
        status, out, err = gateway("reconcile", *words)
        assert (status, out, "the period is empty" in err) == (1, "", True)


def test_an_upstream_key_without_a_secret_is_named(gateway: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EACHLABS_API_KEY", raising=False)
    status, _, err = gateway("reconcile", "--from", "2026-01-01")
    assert (status, "EACHLABS_API_KEY" in err) == (1, True)
