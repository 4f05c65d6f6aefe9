"""Rounds: one gateway through one scenario, with a tenant for each seed and number of clients."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.accuracy.calls import UNIT_USD, Call, draw
from benchmarks.accuracy.crowd import Crowd
from benchmarks.accuracy.gateways.gateway import Gateway, House
from benchmarks.accuracy.judge import Verdict, judge
from benchmarks.accuracy.scenarios import Scenario
from benchmarks.programs import start_upstream

#: The cap is this share of what the clients ask for, and half a unit: no sum of calls meets it exactly.
SHARE = Decimal("0.4")


class Load(NamedTuple):
    """How many clients there are, how many calls they send together, and the seed of those calls."""

    clients: int
    calls: int
    seed: int

    @property
    def tenant(self) -> str:
        """The tenant of this load alone."""
        return f"seed-{self.seed}-clients-{self.clients}"


class Round(NamedTuple):
    """What one load showed; `sent_twice` counts its calls that reached upstream more than once."""

    gateway: str
    scenario: str
    load: Load
    verdict: Verdict
    sent_twice: int


async def play(gateway: Gateway, scenario: Scenario, loads: Sequence[Load], store: Path) -> AsyncIterator[Round]:
    """Play the loads one after the other; `store` is the server of a shared store.

    Raises Unavailable, and RuntimeError where the gateway does not answer.
    """
    plans = {load: _draw(load, scenario) for load in loads}
    caps = {load.tenant: _cap(plan) for load, plan in plans.items()}
    async with _opened(gateway, scenario.replicas, caps, store) as (http, upstream):
        for load, plan in plans.items():
            crowd, cap = Crowd(gateway, http), caps[load.tenant]
            await crowd.send(plan, crash=scenario.crash)
            await crowd.probe(load.tenant, int(cap / UNIT_USD) + 1)
            bill = (await http.get(f"{upstream}/bill/{load.tenant}")).json()
            verdict = judge(cap, Decimal(bill["usd"]), crowd.answers)
            yield Round(gateway.name, scenario.name, load, verdict, bill["sent_twice"])


@asynccontextmanager
async def _opened(
    gateway: Gateway, replicas: int, caps: dict[str, Decimal], store: Path
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """Start upstream and gateway; gives a client and upstream's address, and leaves nothing running."""
    limits, context = httpx.Limits(max_connections=None), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client = httpx.AsyncClient(trust_env=False, verify=context, limits=limits, timeout=120)
    with tempfile.TemporaryDirectory(prefix="accuracy-", ignore_cleanup_errors=True) as folder:
        upstream, url = await start_upstream(Path(folder))
        try:
            async with client as http:
                await gateway.start(House(Path(folder), url, caps, replicas, store))
                yield http, url
        finally:
            await asyncio.to_thread(gateway.stop)
            upstream.stop()


def _draw(load: Load, scenario: Scenario) -> list[list[Call]]:
    each = max(load.calls // load.clients, 1)
    return draw(load.seed, load.tenant, load.clients, each, scenario.faults)


def _cap(plan: Sequence[Sequence[Call]]) -> Decimal:
    asked = sum(call.units for calls in plan for call in calls)
    return UNIT_USD * (int(asked * SHARE) + Decimal("0.5"))
