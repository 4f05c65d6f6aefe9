"""The bill check: the ledger of a running gateway beside the books of its upstream, by the operator's command."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from subprocess import CompletedProcess

import pytest

from e2e.clients import INPUT, Tenants, Upstream, until
from e2e.policies import KLEIN, Policies, budget
from e2e.programs import Gateway, run

FROM = (datetime.now(UTC) - timedelta(hours=1)).isoformat()


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.account("second")
    policies.tenant("acme", budget("1.00"), account="main")
    policies.tenant("abroad", budget("1.00"), account="second")
    return policies


def reconcile(gateway: Gateway, *more: str) -> CompletedProcess[str]:
    places = [word for flag in ("--data-dir", "--policies", "--upstream-url") for word in (flag, gateway.value(flag))]
    return run("reconcile", *places, "--from", FROM, *more)


async def test_a_ledger_that_agrees_with_upstream_is_told_so(
    gateway: Gateway, tenant: Tenants, upstream: Upstream
) -> None:
    await upstream.faults(costs=["ok", "fail", "0.02"])
    for name in ("acme", "acme", "acme", "abroad"):
        client = tenant(name)
        await client.settled(await client.created())
    done = reconcile(gateway, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    main, second = told["accounts"]
    assert (main["matched"], second["matched"], told["predictions"]) == (3, 1, [])
    # 0.014, nothing for the failed one, 0.02: upstream's own books say the same.
    assert (main["charged_usd"], main["billed_usd"], second["billed_usd"]) == ("0.034", "0.034", "0.014")


async def test_an_execution_that_the_ledger_lacks_is_found_and_is_a_difference(
    gateway: Gateway, tenant: Tenants, upstream: Upstream
) -> None:
    headers = {"X-API-Key": "somebody-elses-key"}
    body = {"model": KLEIN, "input": INPUT}
    answer = await upstream.http.post(f"{upstream.sandbox.url}/v1/prediction", json=body, headers=headers)
    stranger = answer.json()["predictionID"]

    async def ended() -> bool:  # what ends next is faulty
        return (await upstream.prediction(stranger))["status"] == "success"

    await until(ended)
    await upstream.faults(costs=["absent"])
    unknown = await tenant("acme").created()

    done = reconcile(gateway)
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(line.startswith(f"missing_here  {stranger}") for line in done.stdout.splitlines()), done.stdout

    done = reconcile(gateway, "--csv", "--all")
    rows = {row["prediction"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert (rows[stranger]["result"], rows[stranger]["tenant"], rows[stranger]["model"]) == (
        "missing_here",
        "",
        KLEIN,
    )
    assert (rows[unknown]["result"], rows[unknown]["tenant"]) == ("undecided", "acme")
    assert {row["result"] for id_, row in rows.items() if id_ not in (stranger, unknown)} == {"matched"}
    assert sorted(rows) == sorted(entry["id"] for entry in (await upstream.books())["creates"])


def test_a_bill_that_cannot_be_read_is_no_agreement(gateway: Gateway) -> None:
    done = reconcile(gateway, "--upstream-url", "http://127.0.0.1:1")
    assert (done.returncode, done.stdout, "cannot be read" in done.stderr) == (1, "", True), done.stderr
