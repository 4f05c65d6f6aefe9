"""A folder with policies and a ledger in which something happened."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledger.bench import reached

from gateway.cli import main
from gateway.domain.reservation import How
from gateway.ledger.decisions import Capacity, Order
from gateway.ledger.embedded import find_server, opened
from gateway.ledger.ledger import Ledger
from gateway.ledger.postings import Postings, account_prefix
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import Store
from gateway.policy import load_policy

SHIPPED = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cli-"))  # pytest's own path is too long for the store's socket
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture(scope="module", autouse=True)
def spent(data_dir: Path) -> None:
    """Tenant acme: one prediction settled at 0.014, one running with 0.017 held, one released."""
    asyncio.run(on_store(data_dir, spend))


async def on_store(data_dir: Path, work: Callable[[Store], object]) -> None:
    async with opened(data_dir, find_server(None)) as url:
        store = await reached(url)
        try:
            await work(store)  # type: ignore[misc]
        finally:
            await store.aclose()


async def spend(store: Store) -> None:
    tenant = load_policy(SHIPPED).tenants["acme"]
    ledger = Ledger(store, load_scripts(), tenant.account.id)
    scopes = ["tenant/acme/key/web", "tenant/acme", "tenant/acme-group", "account/eachlabs"]
    postings = Postings(account_prefix(tenant.account.id), scopes, tenant.limits)
    for name in ("settled", "running", "released"):
        order = Order(name, "acme", "web", "flux-2-klein-4b-base-edit", "v1", 1_400_000, 1_700_000, 600, 60)
        await ledger.reserve(order, postings, [Capacity("main", 100, 10)])
        await ledger.confirm(name, f"prediction-{name}", 60) if name != "released" else None
    await ledger.settle("settled", 1_400_000, How.EXACT, "success")
    await ledger.release("released", sent=False, reason="never sent")


@pytest.fixture
def gateway(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line; gives its status, output and errors."""

    def run(*words: str) -> tuple[int, str, str]:
        place = {"usage": ["--policies", str(SHIPPED), "--data-dir", str(data_dir)]}
        place["ledger"] = place["reconcile"] = place["prices"] = place["webhooks"] = place["usage"]
        place["check"] = place["quote"] = ["--policies", str(SHIPPED)]
        status = main([*words, *(place.get(words[0], []) if "--policies" not in words else [])])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
