"""Eachlabs Gateway: this repository's own."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import version

import httpx

from benchmarks import own
from benchmarks.accuracy.calls import Answer, Call, End
from benchmarks.accuracy.gateways.gateway import House
from benchmarks.programs import Command, Program, Replicas, free_port, start_store
from gateway.policy.keys import key_toml, new_secret

WORKERS = 2
MODEL = "flux-2-klein-4b-base-edit"
#: How often a prediction is polled, which has ended already, before its settlement is left to the reconciler.
POLLS = 100


class EachlabsGateway:
    """Two workers a replica; one replica has its embedded store, several share an external one."""

    name = "eachlabs-gateway"

    def __init__(self) -> None:
        self.urls: list[str] = []
        self._secrets: dict[str, str] = {}
        self._replicas = Replicas(())
        self._store: Program | None = None

    def version(self) -> str:
        """Name the version; the report names the commit."""
        return f"{version('eachlabs-gateway')}, {WORKERS} workers a replica; a tenant's budget"

    async def start(self, house: House) -> None:
        """Write the policies and start the replicas."""
        self._secrets = {tenant: new_secret() for tenant in house.caps}
        own.write_policies(house.place / "policies", [own.ACCOUNT, *self._tenants(house)], [MODEL])
        shared: list[str] = []
        if house.replicas > 1:
            self._store, url = await start_store(house.place, house.store)
            shared = ["--redis-url", url]
        ports = [free_port() for _ in range(house.replicas)]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self._replicas = Replicas([_command(house, port, shared) for port in ports])
        await self._replicas.start()

    async def crash(self) -> None:
        """Kill the parents, with which workers and embedded store end, and start them again."""
        await self._replicas.crash()

    async def ask(self, http: httpx.AsyncClient, url: str, call: Call) -> Answer:
        """Create, and poll until the cost is settled."""
        given = {"prompt": call.text, "image_urls": ["https://example.com/a.png"], "num_images": call.units}
        body = {"model": MODEL, "input": given | {"image_size": "landscape_4_3"}}
        headers, sent = {"X-API-Key": self._secrets[call.tenant]}, time.monotonic()
        try:
            created = await http.post(f"{url}/v1/prediction", json=body, headers=headers)
        except httpx.TransportError as error:
            return Answer.lost(call, error, sent)
        answer = Answer.now(call, _end(created), sent)
        if answer.end is not End.ADMITTED:
            return answer
        cost = await self._settled(http, f"{url}/v1/prediction/{created.json()['predictionID']}", headers)
        hold = Decimal(created.headers["X-Gateway-Hold-USD"])
        return replace(answer, hold=hold) if cost is None else answer.settled(hold, cost)

    async def settle(self) -> None:
        """Wait for nothing: what is settled was seen to be, and the rest may be held for minutes."""

    def stop(self) -> None:
        """End the replicas, and then their store."""
        self._replicas.stop()
        if self._store:
            self._store.stop()

    def _tenants(self, house: House) -> Iterator[str]:
        for tenant, cap in house.caps.items():
            yield own.tenant(tenant, own.budget("total", cap)) + key_toml("bench", self._secrets[tenant])

    async def _settled(self, http: httpx.AsyncClient, url: str, headers: dict[str, str]) -> Decimal | None:
        for _ in range(POLLS):
            try:
                polled = await http.get(url, headers=headers)
            except httpx.TransportError:
                polled = None
            if polled is not None and "X-Gateway-Cost-USD" in polled.headers:
                return Decimal(polled.headers["X-Gateway-Cost-USD"])
            await asyncio.sleep(0.1)
        return None


def _command(house: House, port: int, more: list[str]) -> Command:
    flags = {
        "policies": house.place / "policies",
        "data-dir": house.place / f"data-{port}",
        "listen": f"127.0.0.1:{port}",
        "metrics-listen": "127.0.0.1:0",
        "upstream-url": house.upstream,
        "workers": WORKERS,
    }
    words = own.command(["serve", *more], flags)
    return Command(words, house.place / f"{port}.log", own.ENVIRON, f"http://127.0.0.1:{port}/gateway/healthz")


def _end(created: httpx.Response) -> End:
    if created.is_success:
        return End.ADMITTED
    if created.status_code in (400, 404, 422):
        return End.GIVEN_BACK
    code = created.json().get("code")
    return {"budget_exceeded": End.REFUSED, "upstream_in_doubt": End.UNKNOWN}.get(code, End.NOT_TAKEN)
