"""Eachlabs Gateway: this repository's own, with everything on that is on by default."""

from importlib.metadata import version

import httpx

from benchmarks import own
from benchmarks.programs import free_port
from benchmarks.speed.accounting import pin, program
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
    """`gateway serve` as it is by default: one worker, or more, and a store that syncs before it answers.

    The store is not the proxy: it runs on the other core, and its time does not count.
    """

    name: str = "eachlabs-gateway"
    loads: tuple[str, ...] = (CACHED, FORWARDED, CREATE)

    def __init__(self, workers: int = 1) -> None:
        super().__init__()
        self._workers = workers
        self._secret = new_secret()
        self._house: House | None = None
        self._ledgers = 0

    def version(self) -> str:
        """Name the version; the report names the commit."""
        return f"{version('eachlabs-gateway')}, 1 worker: key, price, hold in a durable store, metrics, request log"

    async def start(self, house: House) -> None:
        """Start it on the ledger that is there, or with an empty one."""
        self._house = house
        folder = house.place / "policies"
        if not folder.exists():
            own.write_policies(folder, [ACCOUNT, TENANT, key_toml("bench", self._secret)], [MODEL])
        port = free_port()
        flags = {
            "policies": folder,
            "data-dir": house.place / f"data-{self._ledgers}",
            "listen": f"127.0.0.1:{port}",
            "metrics-listen": "127.0.0.1:0",
            "upstream-url": house.upstream,
            "store-binary": house.store,
            "workers": self._workers,
        }
        await self._run(house, port, own.command(["serve"], flags), "/gateway/healthz", own.ENVIRON)
        pin(self.stores(), house.other_core)

    async def prepare(self, load: str) -> Call:
        """Begin with an empty ledger: predictions that are left open are looked at every few seconds."""
        assert self._house  # noqa: S101 (it was started)
        self.stop()
        self._ledgers += 1
        await self.start(self._house)
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

    def processes(self) -> list[int]:
        """Give the parent and its worker."""
        return [pid for pid in super().processes() if pid not in self.stores()]

    def stores(self) -> list[int]:
        """Give the store's process."""
        assert self._house  # noqa: S101 (it was started)
        return [pid for pid in super().processes() if program(pid) == self._house.store.resolve()]
