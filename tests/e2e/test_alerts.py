"""Alerts from end to end: each threshold once, over two workers, a kill of them all, and a receiver that is down."""

import asyncio
import json
import os
import signal
from collections import Counter
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from benchmarks.programs import free_port
from e2e.clients import Tenant, assert_refused, scrape, until
from e2e.house import House
from e2e.policies import Policies, limit
from e2e.programs import Gateway
from e2e.receiver import Receiver, receiving

PORT = free_port()
SHARES = [0.3, 0.6, 0.9]


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    whole = limit("budget", window="year", usd="100.00", alert_at=[0.0001])
    policies.account(alerts=[f"http://127.0.0.1:{PORT}/alerts"], limits=[whole])
    daily = limit("budget", id="rolls", rolling="24h", usd="0.14", alert_at=SHARES)
    policies.tenant("acme", daily, limit("count", window="total", max=100, alert_at=[0.05]))
    return policies


def told(gateway: Gateway) -> Counter[tuple[str, str]]:
    """The alerts in its log, by limit and threshold."""
    lines: list[Any] = [line for line in gateway.logged() if line["logger"] == "gateway.alerts"]
    return Counter((line["limit"], line["threshold"]) for line in lines)


def received(receiver: Receiver) -> dict[tuple[str, str], set[str]]:
    """The ids under which each alert came."""
    found: dict[tuple[str, str], set[str]] = {}
    for head, body in receiver.got:
        data = json.loads(body)["data"]
        found.setdefault((data["limit"], data["threshold"]), set()).add(head["webhook-id"])
    return found


ALL = {("rolls", "0.3"), ("rolls", "0.6"), ("rolls", "0.9"), ("count-total", "0.05"), ("budget-year", "0.0001")}


async def test_each_threshold_is_told_once_over_workers_a_kill_and_a_receiver_that_was_down(
    house: House, policies: Policies, http: httpx.AsyncClient
) -> None:
    gateway = house.gateway(policies, house.sandbox(), workers=2)
    acme = Tenant(http, gateway, gateway.secrets["acme"])
    close = {"Connection": "close"}
    answers = await asyncio.gather(*(acme.create(headers=close, seed=number) for number in range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 10, 402: 10}
    refusal = next(answer for answer in answers if answer.status_code == 402)
    (line,) = assert_refused(refusal, 402, "budget_exceeded")["limits"]
    assert (line["id"], line["window"]) == ("rolls", "rolling-24h")

    async def tried() -> bool:
        labels = {"scope": "account/main", "result": "failed"}
        failed = (await scrape(http, gateway)).sum("gateway_alert_deliveries_total", **labels)
        return told(gateway) == dict.fromkeys(ALL, 1) and failed > 0

    await until(tried, 20)
    for pid in [*gateway.family(), gateway.process.pid]:
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait()
    gateway = house.keep(gateway.again())
    async with receiving(PORT) as receiver:

        async def came() -> bool:
            return set(received(receiver)) == ALL

        await until(came, 30)

        async def none_waits() -> bool:
            return (await scrape(http, gateway)).sum("gateway_webhooks", state="undelivered") == 0

        await until(none_waits, 20)
        assert {len(ids) for ids in received(receiver).values()} == {1}
        secret = await asyncio.to_thread(gateway.command, "webhooks", "secret", "--alerts", "account/main")
        for head, body in receiver.got:
            Webhook(secret.strip()).verify(body, head)
    seen = await scrape(http, gateway)
    assert seen.sum("gateway_limit_alerts_total") == len(ALL)
    assert seen.sum("gateway_limit_alerts_total", scope="tenant/acme", limit="rolls", threshold="0.9") == 1
    assert told(gateway) == dict.fromkeys(ALL, 1)
    await asyncio.to_thread(gateway.verify_ledger)
