"""Eachlabs Gateway: this repository's own, with everything on that is on by default."""

from importlib.metadata import version

import httpx
from redis.asyncio import Redis

from benchmarks import own
from benchmarks.programs import Program, free_port, start_store
from benchmarks.speed.load import Call, saturate
from benchmarks.speed.peers.one_program import OneProgram
from benchmarks.speed.peers.peer import BODY, CACHED, CREATE, FORWARDED, MODEL, House
from gateway.policy.keys import key_toml, new_secret

#: Polls of so many predictions in turn: none is asked for twice in a second, within which an answer is not forwarded.
PREDICTIONS = 16_000
#: Limits of each kind that a create passes, so wide that none is reached.
TENANT = own.tenant(
    "bench",
    own.budget("day", "10000000.00"),
    'kind = "count"\nwindow = "day"\nmax = 100_000_000',
    'kind = "concurrency"\nmax = 10_000_000',
)
ACCOUNT = own.ACCOUNT + f"[[account.limit]]\n{own.budget('month', '10000000.00')}\n"


class EachlabsGateway(OneProgram):
    """One worker, with a store of its own that writes every command to disk before it answers."""

    name: str = "eachlabs-gateway"
    loads: tuple[str, ...] = (CACHED, FORWARDED, CREATE)

    def __init__(self) -> None:
        super().__init__()
        self._secret = new_secret()
        self._house: House | None = None
        self._store: tuple[Program, str] | None = None

    def version(self) -> str:
        """Name the version; the report names the commit."""
        return f"{version('eachlabs-gateway')}, 1 worker: key, price, hold in a durable store, metrics, request log"

    async def start(self, house: House) -> None:
        """Write the policy and start the store and the gateway."""
        self._house = house
        own.write_policies(house.place / "policies", [ACCOUNT, TENANT, key_toml("bench", self._secret)], [MODEL])
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
        await self._run(house, port, own.command(["serve"], flags), "/gateway/healthz", own.ENVIRON)

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
        first = last = await self._made()
        if number == 1:
            async with httpx.AsyncClient(trust_env=False) as http:
                (
                    await http.post(self.url + call.paths[0], content=call.body, headers=call.headers)
                ).raise_for_status()
        while last - first < number:
            if number > 1:
                await saturate(self.url, call, 32, 1, self._house.place, self._house.other_core)
            last = await self._made()
        kind = "done" if number == 1 else "runs"
        return tuple(f"/v1/prediction/{kind}-{each}" for each in range(first + 1, last + 1))

    async def _made(self) -> int:
        assert self._house  # noqa: S101 (it was started)
        async with httpx.AsyncClient(trust_env=False) as http:
            return int((await http.get(f"{self._house.upstream}/made")).text)

    def stop(self) -> None:
        """End the gateway, and then its store."""
        super().stop()
        if self._store:
            self._store[0].stop()
