"""Hosts: two gateways with data directories of their own on one store, in front of one sandbox."""

import asyncio
import json
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks import own
from benchmarks.programs import Program, free_port, start_store
from gateway.ledger.embedded import find_server
from gateway.policy.keys import key_toml

MODEL = "eachlabs-bg-remover-v1"
BODY = {"model": MODEL, "input": {"image_url": "https://example.com/a.png"}}
WORKERS = 2
PATIENCE_SECONDS = 120.0


class Scarce(NamedTuple):
    """Upstream keys, each with these limits, and the tenants that share them: id → weight."""

    keys: int
    creates_per_minute: int
    concurrent: int
    run_seconds: float
    tenants: Mapping[str, int]

    def write(self, folder: Path, secret: str) -> None:
        """Write the policy; every tenant has the same secret behind its name."""
        lines = [f'[[account]]\nid = "main"\nqueue_seconds = {PATIENCE_SECONDS}']
        limits = f"creates_per_minute = {self.creates_per_minute}\nconcurrent = {self.concurrent}"
        lines += [f'[[account.key]]\nid = "k{n}"\nsecret_env = "KEY_{n}"\n{limits}' for n in range(self.keys)]
        for tenant, weight in self.tenants.items():
            lines += [f'[[tenant]]\nid = "{tenant}"\nweight = {weight}', key_toml("k", f"{secret}{tenant}")]
        own.write_policies(folder, lines, [MODEL])


class Hosts:
    """Two running gateways; `calls` counts the answers by status."""

    def __init__(
        self, http: httpx.AsyncClient, gateways: list[str], upstream: str, store: str, secret: str, policies: Path
    ) -> None:
        self.calls: dict[int, int] = {}
        self._http = http
        self._gateways = gateways
        self._upstream = upstream
        self._store = store
        self._secret = secret
        self._policies = policies

    async def create(self, tenant: str, number: int) -> int:
        """Create at one of the gateways in turn, and give the status."""
        url = f"{self._gateways[number % len(self._gateways)]}/v1/prediction"
        answer = await self._http.post(url, json=BODY, headers={"X-API-Key": f"{self._secret}{tenant}"})
        self.calls[answer.status_code] = self.calls.get(answer.status_code, 0) + 1
        return answer.status_code

    async def client(self, tenant: str, number: int, until: float) -> None:
        """Create one after the other until then (time.monotonic()); they begin one after the other, too."""
        await asyncio.sleep(number * 0.02)
        while time.monotonic() < until:
            await self.create(tenant, number)

    async def totals(self) -> dict[str, Any]:
        """The sandbox's own record."""
        totals: dict[str, Any] = (await self._http.get(f"{self._upstream}/sandbox/books")).json()["totals"]
        return totals

    def journal(self) -> list[dict[str, Any]]:
        """Every entry of the ledger's journal, oldest first."""
        words = own.command(("ledger", "export"), {"redis-url": self._store, "policies": self._policies})
        told = subprocess.run(words, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in told.stdout.splitlines()]


@asynccontextmanager
async def hosts(place: Path, scarce: Scarce) -> AsyncIterator[Hosts]:
    """Start the store, the sandbox and two gateways; none is left afterwards."""
    secret = f"elg_{secrets.token_hex(16)}"
    scarce.write(place / "policies", secret)
    programs: list[Program] = []
    try:
        store, store_url = await start_store(place, find_server(None))
        programs.append(store)
        upstream = f"http://127.0.0.1:{free_port()}"
        programs.append(_sandbox(place, scarce, upstream))
        await programs[-1].answers(f"{upstream}/sandbox/books")
        gateways = []
        for number in range(2):
            url, metrics = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
            common = {"redis-url": store_url, "upstream-url": upstream}
            programs.append(
                _gateway(place, number, scarce, secret, {"listen": url, "metrics-listen": metrics} | common)
            )
            gateways.append(url)
            await programs[-1].answers(f"{metrics}/readyz")
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS + 30, limits=limits) as http:
            yield Hosts(http, gateways, upstream, store_url, secret, place / "policies")
    finally:
        for program in reversed(programs):
            await asyncio.to_thread(program.stop)


def _sandbox(place: Path, scarce: Scarce, url: str) -> Program:
    flags = {"listen": _listen(url), "seconds": scarce.run_seconds, "seed": 1, "concurrent": scarce.concurrent}
    flags |= {"creates-per-minute": scarce.creates_per_minute}
    return Program(own.command(("sandbox",), flags), place / "sandbox.log", {})


def _gateway(place: Path, number: int, scarce: Scarce, secret: str, flags: Mapping[str, str]) -> Program:
    """Start a gateway; upstream calls it at the end of each run, which is when a slot is seen to be free."""
    at = {"listen": _listen(flags["listen"]), "metrics-listen": _listen(flags["metrics-listen"])}
    more = {"public-url": flags["listen"], "workers": WORKERS, "policies": place / "policies"}
    environ = {f"KEY_{n}": f"upstream-{n}" for n in range(scarce.keys)} | {"GATEWAY_SECRET": secret}
    words = own.command(("serve",), {**flags, **at, **more, "data-dir": place / f"data-{number}"})
    return Program(words, place / f"gateway-{number}.log", environ)


def _listen(url: str) -> str:
    return url.removeprefix("http://")
