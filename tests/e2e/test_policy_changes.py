"""Edits of the policy folder while money flows: what each changes, and what none ever does."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.clients import PRICE, Tenant, Tenants, assert_refused, scrape, until
from e2e.policies import Policies, budget, limit
from e2e.programs import Gateway, run

CLOSE = {"Connection": "close"}  # every request makes a connection, so that both workers have some


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    for group in ("north", "south"):
        policies.tenant(group, budget("9.00"))
    policies.tenant("acme", budget("0.50", "day", id="daily"), budget("5.00", "month"), parent="north")
    policies.tenant("idle", budget("1.00"), limit("rate", per_minute=600, burst=100))
    policies.tenant("leaver", budget("1.00"))
    return policies


class File:
    """The policy file of accounts and tenants, under the hands of its author."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def text(self) -> str:
        return self.path.read_text()

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def replace(self, *pairs: tuple[str, str]) -> None:
        text = self.text
        for old, new in pairs:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.write(text)

    def rename(self, name: str) -> None:
        self.path = self.path.rename(self.path.with_name(name))


@pytest.fixture(scope="module")
def file(gateway: Gateway) -> File:
    return File(Path(gateway.value("--policies")) / "policy.toml")


@pytest.fixture
def edit(file: File, gateway: Gateway, http: httpx.AsyncClient) -> Callable[..., Any]:
    """Replace words in the file and wait until every worker serves by it."""

    async def replace(*pairs: tuple[str, str]) -> None:
        before = (await ready(http, gateway))["policy_version"]
        file.replace(*pairs)
        await until(lambda: served(http, gateway, before))

    return replace


async def ready(http: httpx.AsyncClient, gateway: Gateway) -> dict[str, Any]:
    return (await http.get(f"{gateway.metrics_url}/readyz")).json()


async def served(http: httpx.AsyncClient, gateway: Gateway, before: str) -> bool:
    """Tell whether both workers serve by the same policy, and by another than before."""
    seen = await scrape(http, gateway)
    versions = {s.labels["version"] for s in seen.samples if s.name == "gateway_policy_info" and s.value}
    body = await ready(http, gateway)
    return versions == {body["policy_version"]} and before not in versions and body["status"] == "ready"


async def line(tenant: Tenant, name: str) -> tuple[Decimal, Decimal]:
    """Use and amount of a limit."""
    found = (await tenant.usage())[name]
    return Decimal(found["used"]) + Decimal(found["held"]), Decimal(found["limit"])


async def test_a_limit_is_raised_lowered_and_renamed_with_its_use(tenant: Tenants, edit: Any) -> None:
    acme = tenant("acme")
    assert (await acme.create()).status_code == 200
    await edit(('usd = "0.50"', 'usd = "0.60"'))
    assert await line(acme, "daily") == (PRICE, Decimal("0.60"))
    await edit(('usd = "0.60"', 'usd = "0.01"'))  # below what is used: creates stop, nothing is taken back
    assert await line(acme, "daily") == (PRICE, Decimal("0.01"))
    body = assert_refused(await acme.create(), 402, "budget_exceeded")
    assert (body["limits"][0]["id"], Decimal(body["limits"][0]["limit"])) == ("daily", Decimal("0.01"))
    await edit(('usd = "0.01"', 'usd = "0.50"'), ('id = "daily"', 'id = "per-day"'))
    assert await line(acme, "per-day") == (PRICE, Decimal("0.50"))


async def test_a_limit_that_was_away_for_a_while_missed_nothing(tenant: Tenants, edit: Any) -> None:
    acme = tenant("acme")
    used, _ = await line(acme, "budget-month")
    month = '[[tenant.limit]]\nkind = "budget"\nusd = "5.00"\nwindow = "month"\n'
    await edit((month, ""))
    assert "budget-month" not in await acme.usage()
    assert (await acme.create()).status_code == 200
    await edit(('id = "acme"\nparent = "north"\n', f'id = "acme"\nparent = "north"\n\n{month}'))
    assert await line(acme, "budget-month") == (used + PRICE, Decimal("5.00"))


async def test_a_file_that_is_renamed_is_no_change(gateway: Gateway, http: httpx.AsyncClient, file: File) -> None:
    version = (await ready(http, gateway))["policy_version"]
    file.rename("accounts-and-tenants.toml")
    os.kill(gateway.process.pid, signal.SIGHUP)

    async def told() -> bool:
        return f"asked to read the policy again: {version[:12]} as before" in gateway.said()

    await until(told)
    assert (await ready(http, gateway))["policy_version"] == version


async def test_a_limit_that_is_added_knows_what_its_window_has_seen(tenant: Tenants, edit: Any) -> None:
    idle = tenant("idle")
    assert (await idle.create()).status_code == 200
    yearly = '[[tenant.limit]]\nkind = "count"\nwindow = "year"\nmax = 2\n'
    await edit(('id = "idle"\n', f'id = "idle"\n\n{yearly}'))
    assert await line(idle, "count-year") == (1, 2)
    assert (await idle.create()).status_code == 200
    assert_refused(await idle.create(), 429, "count_exceeded")


async def test_a_tenant_below_another_parent_leaves_its_past_where_it_was(tenant: Tenants, edit: Any) -> None:
    acme, north, south = tenant("acme"), tenant("north"), tenant("south")
    spent = await line(acme, "budget-month")
    held = (await acme.create()).json()["predictionID"]
    assert (await line(north, "budget-total"))[0] == spent[0] + PRICE
    await edit(('parent = "north"', 'parent = "south"'))
    assert (await line(acme, "budget-month"))[0] == spent[0] + PRICE  # its own goes with it
    assert (await line(north, "budget-total"))[0] == spent[0] + PRICE
    assert (await line(south, "budget-total"))[0] == 0
    await acme.settled(held)
    assert (await line(north, "budget-total"))[0] == spent[0] + PRICE  # settled where it was held
    assert (await acme.create()).status_code == 200
    assert (await line(south, "budget-total"))[0] == PRICE


async def test_a_key_that_is_revoked_opens_nothing_on_any_worker(tenant: Tenants, edit: Any, file: File) -> None:
    leaver = tenant("leaver")
    prediction = await leaver.created()
    digest = next(row for row in file.text.split("[[tenant]]") if '"leaver"' in row).split("sha256 = ")[1]
    row = f"sha256 = {digest.splitlines()[0]}"
    await edit((row, f"{row}\nrevoked = true"))
    for _ in range(6):
        assert_refused(await leaver.create(headers=CLOSE), 401, "invalid_key")
        answer = await leaver.ask("GET", f"/v1/prediction/{prediction}", headers=CLOSE)
        assert_refused(answer, 401, "invalid_key")


async def test_an_invalid_change_keeps_the_last_good_policy_and_is_told_once(
    tenant: Tenants, http: httpx.AsyncClient, gateway: Gateway, file: File
) -> None:
    before, text, acme = await ready(http, gateway), file.text, tenant("acme")
    file.write(text.replace('usd = "5.00"', 'usd = "5,00"'))

    async def told() -> bool:
        return bool((await ready(http, gateway))["policy_problem"])

    await until(told)
    body = await ready(http, gateway)
    assert (body["status"], body["policy_version"]) == ("ready", before["policy_version"])
    assert f"{file.path}:" in body["policy_problem"]
    assert "not an amount of US dollars: '5,00'" in body["policy_problem"]
    assert (await acme.create()).status_code == 200
    assert (await scrape(http, gateway)).sum("gateway_policy_reloads_total", result="invalid") == 1
    os.kill(gateway.process.pid, signal.SIGHUP)
    await asyncio.sleep(1.2)  # two looks: it is not told again
    lines = [line for line in gateway.logged() if "the last good one stays" in str(line.get("message"))]
    assert len(lines) == 1
    file.write(text)

    async def mended() -> bool:
        return not (await ready(http, gateway))["policy_problem"]

    await until(mended)
    assert (await ready(http, gateway))["policy_version"] == before["policy_version"]


async def test_sighup_reads_the_folder_again_in_every_worker(gateway: Gateway) -> None:
    served_by, asked = "serving by policy", "asked to read the policy again"
    before = gateway.said().count(served_by), gateway.said().count(asked)
    os.kill(gateway.process.pid, signal.SIGHUP)

    async def read_again() -> bool:
        return gateway.said().count(served_by) >= before[0] + 2 and gateway.said().count(asked) == before[1] + 1

    await until(read_again)
    assert len(gateway.workers) == 2


async def test_recorded_creates_and_refusals_are_replayed_under_another_policy(
    tenant: Tenants, gateway: Gateway, file: File, tmp_path: Path
) -> None:
    idle = tenant("idle")
    assert_refused(await idle.create(), 429, "count_exceeded")
    shutil.copytree(file.path.parent, tmp_path / "new")
    new = File(tmp_path / "new" / file.path.name)
    new.replace(('window = "year"\nmax = 2\n', 'window = "year"\nmax = 1\n'))

    async def replayed() -> dict[tuple[str, str, str], int]:
        words = ["policy", "replay", str(new.path.parent), "--json", "--data-dir", gateway.value("--data-dir")]
        done = await asyncio.to_thread(run, *words)
        assert done.returncode in (0, 2), done.stderr
        rows = json.loads(done.stdout)["changed"]
        return {(row["tenant"], row["then"], row["now"]): row["creates"] for row in rows}

    found = await until(replayed, 20)
    assert found["idle", "admitted", "count_exceeded"] == 1
    new.replace(('window = "year"\nmax = 1\n', 'window = "year"\nmax = 9\n'))

    async def admits() -> bool:
        return (await replayed()).get(("idle", "count_exceeded", "admitted"), 0) >= 2

    await until(admits, 20)


async def test_the_ledger_is_right_after_all_that(gateway: Gateway) -> None:
    await asyncio.to_thread(gateway.verify_ledger)
