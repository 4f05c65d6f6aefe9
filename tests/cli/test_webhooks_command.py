"""`gateway webhooks`, on a store that it starts for its own time."""

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import on_store
from gateway.domain.reservation import How
from gateway.domain.webhook import Webhook
from gateway.ledger.decisions import Capacity, Order
from gateway.ledger.ledger import Ledger
from gateway.ledger.outbox import Outbox
from gateway.ledger.postings import Postings
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import Store

Run = Callable[..., tuple[int, str, str]]
ACCOUNT = "eachlabs"


async def tell(store: Store) -> None:
    """Tenant acme: one webhook waits, two were given up."""
    scripts = load_scripts()
    ledger, outbox = Ledger(store, scripts, ACCOUNT), Outbox(store, scripts, ACCOUNT)
    postings = Postings(ledger.prefix, ["tenant/acme"], ())
    for id_ in ("waiting", "gone", "late"):
        hook = Webhook(f"https://{id_}.example.com/hook?token=q1", "qS3cret")
        order = Order(id_, "acme", "web", "m", "v1", 5, 5, 600, 60, webhook=hook)
        await ledger.reserve(order, postings, [Capacity("main", 100, 10)])
        await ledger.confirm(id_, f"p-{id_}", 60)
        await ledger.settle(id_, 5, How.EXACT, "success")
        if id_ != "waiting":
            await outbox.give_up(id_, f"because {id_}")


@pytest.fixture(scope="module", autouse=True)
def told(data_dir: Path, spent: None) -> None:
    asyncio.run(on_store(data_dir, tell))


def test_what_tenants_were_not_told_is_listed_with_the_reason_and_without_secrets(gateway: Run) -> None:
    status, out, _ = gateway("webhooks", "--json")
    rows = {row["id"]: row for row in json.loads(out)}
    assert status == 0
    assert {id_: (row["state"], row["tenant"], row["reason"]) for id_, row in rows.items()} == {
        "gone": ("dead", "acme", "because gone"),
        "late": ("dead", "acme", "because late"),
        "waiting": ("undelivered", "acme", None),
    }
    assert rows["gone"]["url"] == "https://gone.example.com/hook"
    table = gateway("webhooks", "list")[1]
    assert table.splitlines()[-1] == "1 undelivered, 2 given up"
    assert "q1" not in out + table
    assert "qS3cret" not in out + table


def test_what_was_given_up_is_delivered_again_by_its_id_or_all_of_it(gateway: Run) -> None:
    assert gateway("webhooks", "retry", "gone", "waiting") == (
        1,
        "gone is due again\nwaiting is not among those that were given up\n",
        "",
    )
    assert gateway("webhooks", "retry", "--all")[:2] == (0, "late is due again\n")
    assert gateway("webhooks")[1].splitlines()[-1] == "3 undelivered, 0 given up"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["retry"], "name what to deliver again"),
        (["retry", "gone", "--all"], "name what to deliver again"),
        (["secret"], "name one tenant of the policy: "),
        (["secret", "nobody"], "name one tenant of the policy: "),
        (["secret", "acme", "demo"], "name one tenant of the policy: "),
    ],
)
def test_a_slip_is_told(gateway: Run, words: list[str], said: str) -> None:
    status, out, err = gateway("webhooks", *words)
    assert (status, out) == (1, "")
    assert said in err


def test_a_tenants_secret_is_shown_and_stays(gateway: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = gateway("webhooks", "secret", "acme")[1]
    assert first.startswith("whsec_")
    assert gateway("webhooks", "secret", "acme")[1] == first != gateway("webhooks", "secret", "demo")[1]
    assert stat.S_IMODE((data_dir / "gateway.secret").stat().st_mode) == 0o600
    monkeypatch.setenv("GATEWAY_SECRET", f"{'a' * 32} {'b' * 32}")
    assert len(gateway("webhooks", "secret", "acme")[1].splitlines()) == 2
