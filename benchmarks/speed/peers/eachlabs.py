"""Eachlabs Gateway: this repository's own, with everything on that is on by default."""

import sys
from importlib.metadata import version

import httpx
from redis.asyncio import Redis

from benchmarks.programs import ROOT, Program, free_port, start_store
from benchmarks.speed.accounting import family
from benchmarks.speed.load import Call, saturate
from benchmarks.speed.peers.peer import BODY, CACHED, CREATE, FORWARDED, MODEL, House
from gateway.policy.keys import key_toml, new_secret

#: Polls of so many predictions in turn: none is asked for twice in a second, within which an answer is not forwarded.
PREDICTIONS = 16_000
POLICY = """
[[account]]
id = "bench"
[[account.key]]
id = "main"
secret_env = "EACHLABS_API_KEY"
creates_per_minute = 1_000_000
concurrent = 10_000_000
[[account.limit]]
kind = "budget"
window = "month"
usd = "10000000.00"
[[tenant]]
id = "bench"
[[tenant.limit]]
kind = "budget"
window = "day"
usd = "10000000.00"
[[tenant.limit]]
kind = "count"
window = "day"
max = 100_000_000
[[tenant.limit]]
kind = "concurrency"
max = 10_000_000
"""


class EachlabsGateway:
    """One worker, with a store of its own that writes every command to disk before it answers."""

    name: str = "eachlabs-gateway"
    loads: tuple[str, ...] = (CACHED, FORWARDED, CREATE)

    def __init__(self) -> None:
        self.url = ""
        self._secret = new_secret()
        self._house: House | None = None
        self._program: Program | None = None
        self._store: tuple[Program, str] | None = None

    def version(self) -> str:
        """Name the version; the report names the commit."""
        return f"{version('eachlabs-gateway')}, 1 worker: key, price, hold in a durable store, metrics, request log"

    async def start(self, house: House) -> None:
        """Write the policy and start the store and the gateway."""
        self._house = house
        folder = house.place / "policies"
        folder.mkdir()
        (folder / "policy.toml").write_text(POLICY + key_toml("bench", self._secret), "utf-8")
        model = (ROOT / "policies" / "models" / f"{MODEL}.toml").read_text("utf-8")
        (folder / "model.toml").write_text(model, "utf-8")
        self._store = await start_store(house.place, house.store, house.other_core)
        await self._start(house, self._store[1])

    async def _start(self, house: House, store_url: str) -> None:
        port = free_port()
        flags = {
            "policies": house.place / "policies",
            "data-dir": house.place / "data",
            "listen": f"127.0.0.1:{port}",
            "metrics-listen": "127.0.0.1:0",
            "upstream-url": house.upstream,
            "redis-url": store_url,
        }
        words = [word for flag, value in flags.items() for word in (f"--{flag}", str(value))]
        words = [sys.executable, "-m", "gateway", "serve", *words]
        environ = {"EACHLABS_API_KEY": "bench", "GATEWAY_SECRET": "s" * 64}
        self.url = f"http://127.0.0.1:{port}"
        self._program = Program(words, house.place / "gateway.log", environ, house.core)
        await self._program.answers(f"{self.url}/gateway/healthz")

    async def prepare(self, load: str) -> Call:
        """Begin with an empty ledger: predictions that are left open are looked at every few seconds."""
        assert self._house and self._store and self._program  # noqa: S101 (it was started)
        self._program.stop()
        redis = Redis.from_url(self._store[1])
        await redis.flushall()
        await redis.aclose()
        await self._start(self._house, self._store[1])
        key = {"X-API-Key": self._secret}
        json = key | {"Content-Type": "application/json"}
        create = Call("POST", ("/v1/prediction",), json, BODY % ("done" if load == CACHED else "a picture"))
        if load == CREATE:
            return create
        return Call("GET", await self._created(create, 1 if load == CACHED else PREDICTIONS), key)

    async def _created(self, call: Call, number: int) -> tuple[str, ...]:
        """Create so many predictions, or a few more; upstream's stub numbers them."""
        assert self._house  # noqa: S101 (it was started)
        first = last = await self._arrived()
        if number == 1:
            async with httpx.AsyncClient(trust_env=False) as http:
                (
                    await http.post(self.url + call.paths[0], content=call.body, headers=call.headers)
                ).raise_for_status()
        while last - first < number:
            if number > 1:
                await saturate(self.url, call, 32, 1, self._house.place, self._house.other_core)
            last = await self._arrived()
        kind = "done" if number == 1 else "runs"
        return tuple(f"/v1/prediction/{kind}-{each}" for each in range(first + 1, last + 1))

    async def _arrived(self) -> int:
        assert self._house  # noqa: S101 (it was started)
        async with httpx.AsyncClient(trust_env=False) as http:
            return int((await http.get(f"{self._house.upstream}/count")).text)

    def processes(self) -> list[int]:
        """Give the parent and its worker."""
        return family(self._program.pid) if self._program else []

    def stop(self) -> None:
        """End the gateway, and then its store."""
        if self._program:
            self._program.stop()
        if self._store:
            self._store[0].stop()
