"""Settlement over a real ledger and the sandbox, both clocks in the test's hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import msgspec
import pytest
from ledger.bench import NOON_US, SCRIPTS, SECOND, WIDE, Bench
from prometheus_client import CollectorRegistry

from gateway.admission.webhooks import with_address
from gateway.domain.address import Addresses
from gateway.domain.reservation import Reservation
from gateway.domain.secret import Secret
from gateway.ledger.decisions import Admitted
from gateway.ledger.run_times import RunTimes
from gateway.ledger.sightings import Sightings
from gateway.policy import Account, UpstreamKey
from gateway.pricing import Model
from gateway.sandbox import ManualClock, SandboxConfig, serve
from gateway.settlement.arrivals import Arrivals
from gateway.settlement.history import History
from gateway.settlement.inquest import Inquest
from gateway.settlement.listing import Lister
from gateway.settlement.looks import Kept, Looks
from gateway.settlement.proof import Proof
from gateway.settlement.reconciler import Reconciler
from gateway.settlement.running import Running
from gateway.settlement.settlement import Settlement
from gateway.telemetry import Telemetry
from gateway.upstream.answers import read_created
from gateway.upstream.client import NotSent, OutcomeUnknown
from gateway.upstream.eachlabs import Eachlabs
from gateway.upstream.httpx_client import HttpxUpstream

MODEL = "flux-2-klein-4b-base-edit"
INPUT = {"prompt": "a cat", "image_urls": ["https://example.com/cat.jpg"]}
BODY = msgspec.json.encode({"model": MODEL, "input": INPUT})
PRICE = 1_400_000  # of that input, in units of 1e-8 USD


@dataclass
class World:
    """A ledger, a sandbox and what settles the one from the other."""

    bench: Bench
    clock: ManualClock
    url: str
    http: httpx.AsyncClient
    client: HttpxUpstream
    public_url: str | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        keys = (UpstreamKey("main", "KEY", None, 100, 10),)
        self.account = Account("up", self.url, "X-API-Key", None, 0, 24, keys=keys, limits=())
        self.telemetry = Telemetry(self.registry)
        self.telemetry.in_force("v1", {MODEL})
        self.upstream = Eachlabs(self.account, {"main": "k1"}, self.client, self.telemetry)
        self.settlement = Settlement(self.bench.ledger, self.telemetry)
        self.lister = Lister(self.bench.ledger, self.upstream)
        self.addresses = Addresses(Secret(["s" * 32]), self.public_url)
        self.history = History(self.upstream, self.addresses)
        parts = (self.bench.ledger, self.bench.views, self.upstream, self.settlement, self.lister)
        self.inquest = Inquest(*parts, self.history)
        proof = Proof(self.bench.views, self.upstream, self.history, self.lister)
        self.arrivals = Arrivals(self.bench.views, self.upstream, self.settlement, self.bench.outbox, proof)
        models = {MODEL: Model(slug=MODEL)}
        sightings = Sightings(self.bench.store, SCRIPTS, "up")
        self.looks = Looks(sightings, self.upstream, self.settlement, Kept(self.clock.time))
        self.run_times = RunTimes(self.bench.store, "up")
        running = Running(*parts[:1], *parts[2:], self.looks, self.run_times, models)
        self.reconciler = Reconciler(self.bench.ledger, self.settlement, self.inquest, running)

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.bench.advance(seconds)

    async def faults(self, **queues: list[str]) -> None:
        (await self.http.post("/sandbox/faults", json=queues)).raise_for_status()

    async def hold(self, tenant: str = "t", **more: object) -> str:
        order = self.bench.order(PRICE, model=MODEL, tenant=tenant, **more)
        decision = await self.bench.ledger.reserve(order, self.bench.postings(), WIDE)
        assert isinstance(decision, Admitted)
        return order.id

    async def send(self, body: bytes = BODY, reservation: str = "") -> str | None:
        """Send a create, told to call for a reservation; gives upstream's id, None where the answer is lost."""
        address = self.addresses.of("up", reservation) if reservation else None
        body = with_address(body, address) if address else body
        by = time.monotonic() + 5
        try:
            answer = await self.upstream.create("/v1/prediction", body, [], "main", "req", by, 30)
        except (OutcomeUnknown, NotSent):
            return None
        return read_created(answer.body) if answer.status == 200 else None

    async def create(self, fault: str = "ok", tenant: str = "t", doubt_s: float = 5, **more: object) -> str:
        """Do what a worker does with a create that ends in a fault; gives the reservation's id."""
        await self.faults(creates=[fault])
        reservation = await self.hold(tenant, **more)
        prediction = await self.send(reservation=reservation)
        if prediction is None:
            await self.bench.ledger.doubt(reservation, fault, doubt_s)
        else:
            await self.bench.ledger.confirm(reservation, prediction, 1)
        return reservation

    async def look(self) -> None:
        """Do one round of the reconciler."""
        await self.reconciler.round()

    async def record(self, reservation: str) -> Reservation:
        return await self.bench.record(reservation)

    async def executions(self) -> list[str]:
        """Give the ids of what upstream ran, oldest first."""
        books = (await self.http.get("/sandbox/books")).json()
        return [entry["id"] for entry in books["creates"]]

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        """Give the samples of a metric by their labels' values."""
        samples = [sample for family in self.registry.collect() for sample in family.samples]
        return {tuple(sample.labels.values()): sample.value for sample in samples if sample.name == name}

    def settlements(self, how: str) -> float:
        return self.registry.get_sample_value("gateway_settlements_total", {"how": how}) or 0


Start = Callable[..., Awaitable[World]]


@asynccontextmanager
async def sandbox(config: SandboxConfig, clock: ManualClock) -> AsyncIterator[str]:
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(config, clock=clock, stop=stop, on_ready=ready.set_result))
    yield await ready
    stop.set()
    await task


@pytest.fixture
async def start(bench: Bench) -> AsyncIterator[Start]:
    """Start a world; `ahead` is how far upstream's clock is ahead of the store's, in seconds."""
    async with AsyncExitStack() as stack:

        async def start_one(ahead: float = 0, public_url: str | None = None, **settings: object) -> World:
            clock = ManualClock(NOON_US / SECOND + ahead)
            url = await stack.enter_async_context(sandbox(SandboxConfig(**settings), clock))
            client = HttpxUpstream()
            stack.push_async_callback(client.aclose)
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
            return World(bench, clock, url, http, client, public_url)

        yield start_one


@pytest.fixture
async def world(start: Start) -> World:
    return await start()
