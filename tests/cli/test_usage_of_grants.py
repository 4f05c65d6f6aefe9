"""`gateway usage --grants`: what grants raise, and what was admitted that needed them."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from cli.conftest import SHIPPED, on_store
from gateway.domain.reservation import How
from gateway.ledger.decisions import Admitted, Capacity, Order
from gateway.ledger.ledger import Ledger
from gateway.ledger.postings import Postings, account_prefix
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import Store
from gateway.policy import Policy, load_policy

Run = Callable[..., tuple[int, str, str]]
CENT = 1_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped policies, and a small tenant whose budget two grants raise, one of them now."""
    folder, now = tmp_path_factory.mktemp("granted"), datetime.now(UTC)
    for path in SHIPPED.rglob("*.toml"):
        (folder / path.name).write_bytes(path.read_bytes())
    limit = '[[tenant]]\nid = "small"\n[[tenant.limit]]\nkind = "budget"\nwindow = "total"\nusd = "0.02"\n'
    grants = [
        f'[[tenant.grant]]\nusd = "0.03"\nreason = "{reason}"\n'
        f"from = {now + since:%FT%TZ}\nuntil = {now + since + timedelta(days=1):%FT%TZ}\n"
        for since, reason in ((timedelta(hours=-1), "launch"), (timedelta(days=2), "fair"))
    ]
    (folder / "small.toml").write_text(limit + "".join(grants))
    return folder


@pytest.fixture(scope="module", autouse=True)
def granted(data_dir: Path, folder: Path, spent: None) -> None:
    """Five creates of a cent: two fit into the limit, three need the grant; of these one is settled, one released."""
    asyncio.run(on_store(data_dir, lambda store: spend(store, load_policy(folder))))


async def spend(store: Store, policy: Policy) -> None:
    tenant = policy.tenants["small"]
    ledger = Ledger(store, load_scripts(), tenant.account.id)
    scopes = ["tenant/small/key/web", "tenant/small", "account/eachlabs"]
    postings = Postings(account_prefix(tenant.account.id), scopes, tenant.limits)
    order = Order("0", "small", "web", "flux-2-klein-4b-base-edit", "v1", CENT, CENT, 600, 60)
    for name in "abcde":
        decision = await ledger.reserve(structs.replace(order, id=name), postings, [Capacity("main", 100, 10)])
        assert isinstance(decision, Admitted)
    await ledger.confirm("c", "prediction-c", 60)
    await ledger.settle("c", CENT // 2, How.EXACT, "success")
    await ledger.release("d", sent=False, reason="never sent")


def test_every_grant_of_the_policy_is_told_with_what_needed_it(gateway: Run, folder: Path, data_dir: Path) -> None:
    places = ["--policies", str(folder), "--data-dir", str(data_dir)]
    status, out, err = gateway("usage", "--grants", "--json", *places)
    assert (status, err) == (0, "")
    launch, fair = json.loads(out)
    assert {name: launch[name] for name in launch if name not in ("from", "until")} == {
        "limit": "tenant/small/budget-total",
        "reason": "launch",
        "state": "in force",
        "raised_by": "0.03 USD",
        "creates": 2,
        "charged_usd": "0.005",
        "held_usd": "0.01",
    }
    assert (fair["reason"], fair["state"], fair["creates"]) == ("fair", "to come", 0)
    _, text, _ = gateway("usage", "--grants", "--csv", *places)
    assert [row["state"] for row in csv.DictReader(io.StringIO(text))] == ["in force", "to come"]
    _, table, _ = gateway("usage", "--grants", *places)
    assert table.splitlines()[1].split()[-3:] == ["2", "0.005", "0.01"]


def test_what_is_raised_now_stands_below_the_table_of_usage(gateway: Run, folder: Path, data_dir: Path) -> None:
    _, out, _ = gateway("usage", "--policies", str(folder), "--data-dir", str(data_dir))
    last = out.splitlines()[-1]
    assert last.startswith("tenant/small/budget-total is raised by 0.03 USD until ")
    assert last.endswith(": launch")


def test_a_grant_that_was_taken_out_of_the_policy_is_still_told(gateway: Run, data_dir: Path) -> None:
    _, out, _ = gateway("usage", "--grants", "--json", "--policies", str(SHIPPED), "--data-dir", str(data_dir))
    (row,) = json.loads(out)
    assert (row["reason"], row["state"], row["raised_by"], row["creates"]) == ("launch", "removed", None, 2)


def test_the_export_names_the_grant_in_the_creates_that_needed_it(gateway: Run, folder: Path, data_dir: Path) -> None:
    places = ["--policies", str(folder), "--data-dir", str(data_dir)]
    lines = [json.loads(line) for line in gateway("ledger", "export", *places)[1].splitlines()]
    named = {
        line["reservation"]: line["grants"]
        for line in lines
        if line["event"] == "reserve" and len(line["reservation"]) == 1
    }
    needed = ["tenant/small/budget-total: launch"]
    assert named == {"a": [], "b": [], "c": needed, "d": needed, "e": needed}


def test_grants_have_no_rows_of_their_own_in_focus(gateway: Run, folder: Path, data_dir: Path) -> None:
    status, _, err = gateway("usage", "--grants", "--focus", "--policies", str(folder), "--data-dir", str(data_dir))
    assert status == 1
    assert "--grants" in err
