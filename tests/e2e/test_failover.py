"""The store fails over to a replica that was behind: nothing is admitted until every cent of it is in the ledger."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import httpx
import pytest
from stores.replicated import Replicated, replicated
from stores.servers import Yard

from e2e.clients import PRICE, Tenant, Upstream, assert_refused, scrape, until
from e2e.house import House
from e2e.policies import Policies, budget
from e2e.programs import Gateway, Sandbox, living

#: The account's budget: for so many creates.
MOST = 10


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account(create_timeout_seconds=1, limits=[budget(str(MOST * PRICE))])
    policies.usual_run(1)
    policies.tenant("acme", budget("1.00"))
    return policies


@dataclass
class Stage(Replicated):
    """A gateway on a pair of servers, of which it reaches the one that is primary."""

    house: House
    policies: Policies
    sandbox: Sandbox
    http: httpx.AsyncClient

    async def gateway(self) -> Gateway:
        """Start a gateway with a data directory of its own, as on another host."""
        where = f"redis://127.0.0.1:{self.way.port}"
        # In a thread, since the way to its store is carried by this one.
        start = asyncio.to_thread(self.house.gateway, self.policies, self.sandbox, workers=2, redis_url=where)
        return await start

    def tenant(self, gateway: Gateway) -> Tenant:
        return Tenant(self.http, gateway, gateway.secrets["acme"])


@asynccontextmanager
async def staged(
    ground: Yard, house: House, policies: Policies, http: httpx.AsyncClient
) -> AsyncIterator[tuple[Stage, Upstream]]:
    sandbox = house.sandbox()
    async with replicated(ground) as store:
        stage = Stage(**vars(store), house=house, policies=policies, sandbox=sandbox, http=http)
        yield stage, Upstream(http, sandbox)


async def first_admitted(tenant: Tenant, seconds: float) -> str:
    """Create until one is admitted; each before it is refused for want of the ledger."""

    async def admitted() -> str:
        answer = await tenant.create()
        if answer.status_code == 200:
            return answer.json()["predictionID"]
        assert_refused(answer, 503, "ledger_unavailable")
        return ""

    return await until(admitted, seconds)


async def journal(gateway: Gateway) -> list[dict[str, object]]:
    """Export the journal by the operator's own command."""
    return [json.loads(line) for line in (await asyncio.to_thread(gateway.command, "ledger", "export")).splitlines()]


async def agreed(tenant: Tenant, upstream: Upstream, gateway: Gateway, creates: int) -> dict[str, Decimal]:
    """Wait until all that upstream billed for so many creates is charged; give the charges by tenant."""

    async def charged() -> bool:
        used = (await scrape(tenant.http, gateway)).sum("gateway_limit_used_usd", scope="account/main")
        return Decimal(str(round(used, 8))) == await upstream.billed() == creates * PRICE

    await until(charged, 30)
    assert (await tenant.spent())[1] == 0
    _, told = await asyncio.gather(
        asyncio.to_thread(gateway.verify_ledger), asyncio.to_thread(gateway.command, "usage", "--json")
    )
    found: dict[str, Decimal] = {}
    for row in json.loads(told):
        found[row["tenant"]] = found.get(row["tenant"], Decimal(0)) + Decimal(row["charged_usd"])
    assert sum(found.values()) == await upstream.billed()
    return found


async def with_its_workers_alive(stage: Stage, upstream: Upstream) -> None:
    gateway = await stage.gateway()
    acme = stage.tenant(gateway)
    await acme.settled(await acme.created())
    stage.pause()
    lost = [await acme.created() for _ in range(4)]
    await acme.settled(lost[0])
    stage.fail_over()
    lost.append(await first_admitted(acme, 30))

    entries = [entry for entry in await journal(gateway) if entry["event"] in ("close", "reserve", "reopen")]
    assert [entry["event"] for entry in entries] == ["reserve", "close", *["reserve"] * 4, "reopen", "reserve"]
    assert await agreed(acme, upstream, gateway, 6) == {"acme": 6 * PRICE}
    assert {row["id"] for row in await acme.executions()} >= set(lost)
    assert (await stage.http.get(f"{gateway.metrics_url}/readyz")).status_code == 200


async def with_all_who_knew_gone(stage: Stage, upstream: Upstream) -> None:
    first = await stage.gateway()
    acme = stage.tenant(first)
    await acme.settled(await acme.created())
    stage.pause()
    for _ in range(3):
        await acme.created()
    family = first.family()
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()

    async def none_is_left() -> bool:
        return living(family) == []

    await until(none_is_left)
    stage.fail_over()
    gateway = await stage.gateway()
    acme = stage.tenant(gateway)
    assert_refused(await acme.create(), 503, "ledger_unavailable")

    async def told() -> bool:
        ready = await stage.http.get(f"{gateway.metrics_url}/readyz")
        return ready.status_code == 503 and "closed to creates" in ready.text

    await until(told)
    assert (await scrape(stage.http, gateway)).sum("gateway_ledger_closed") == 1
    assert (await acme.spent()) == (PRICE, 0)  # what survived can be asked
    await first_admitted(acme, 40)
    admitted = 1
    while (answer := await acme.create()).status_code == 200:
        admitted += 1
    assert_refused(answer, 402, "budget_exceeded")
    assert admitted == MOST - 1 - 3
    assert await agreed(acme, upstream, gateway, MOST) == {"acme": 7 * PRICE, "(unattributed)": 3 * PRICE}
    assert (await scrape(stage.http, gateway)).sum("gateway_settlements_total", how="unattributed") == 3


async def test_what_a_failover_lost_is_charged_before_anything_is_admitted(
    ground: Yard, house: House, policies: Policies, http: httpx.AsyncClient
) -> None:
    """At the same time with workers that know what was lost, and with nobody left who does: mostly a wait."""
    async with staged(ground, house, policies, http) as one, staged(ground, house, policies, http) as other:
        await asyncio.gather(with_its_workers_alive(*one), with_all_who_knew_gone(*other))
