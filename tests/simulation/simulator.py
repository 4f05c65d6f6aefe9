"""The simulator: one seed, one world, from its first create to the quiet after the last."""

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from redis import Redis

from gateway.domain.errors import Refused
from gateway.domain.reservation import UNATTRIBUTED
from gateway.ledger.audit import Auditor
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store
from simulation import trims
from simulation.chaos import Chaos
from simulation.clients import Clients
from simulation.content import read_content, read_mail
from simulation.invariants import check_bill, check_content, check_quiet
from simulation.noise import Noise
from simulation.policies import IN_DOUBT_HOURS, KEYS, PRICES, TIMES, Policies
from simulation.store import PREFIX, SCRIPTS, SimClient, SimServer
from simulation.upstream import Run, SimUpstream, SimWire
from simulation.violation import Violation, check
from simulation.virtual_time import VirtualLoop, simulated_time
from simulation.webhooks import PUBLIC_URL, Calls, Forger, Inbox, check_owed, check_told
from simulation.workers import Worker, make_task

#: Instants at which windows end: a month, a leap day, a year, and clocks that change.
TURNS = (
    "2030-03-31T22:00",
    "2028-02-29T23:59",
    "2030-12-31T23:59",
    "2030-03-31T01:00",
    "2030-11-03T06:00",
    "2030-06-15T18:30",
)
DAY_S = 86400.0
#: How long no worker runs, in the middle of a run.
NIGHTS_S = (30.0, 600.0, 5 * 3600.0, 26 * 3600.0, 9 * 86400.0, 33 * 86400.0, 70 * 86400.0)
QUIET_S = IN_DOUBT_HOURS * 3600 + 300 + 120
CHECK_EVERY = 150


@dataclass(frozen=True)
class Result:
    """What a run did; `digest` is of every script's time, verb and reply, in order."""

    seed: int
    simulated_s: float
    scripts: int
    admitted: int
    digest: str
    hits: dict[str, int]
    statuses: dict[int, int]
    ends: dict[str, int]


class _Faults(logging.Handler):
    """Collects what the gateway logs as an unforeseen error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and not isinstance(record.exc_info[1], asyncio.CancelledError):
            self.found.append(self.format(record))


class World:
    """Everything of one run."""

    #: Creates a second or minute, of which the limits on rates are drawn.
    rates: tuple[int, ...] = (6, 20, 60)

    def __init__(self, seed: int, redis: "Redis[bytes]", scripts: Mapping[str, Script], busy_s: float) -> None:
        self.seed, self.busy_s, self._scripts = seed, busy_s, scripts
        self.loop = asyncio.get_running_loop()
        self.chaos = Chaos(random.Random(seed))
        chance = self.chaos.random
        turn = datetime.fromisoformat(chance.choice(TURNS)).replace(tzinfo=UTC).timestamp()
        self.epoch_s = turn - chance.randrange(int(busy_s))
        self.server = SimServer(redis, scripts, self._store_us)
        self.server.after = self._after_step
        self.noise = Noise(self.server, self.chaos)
        self.server.saw = self.noise.saw
        self.policies = Policies(self.chaos, self.epoch_s, self.rates)
        self.server.witness.ref.grants = self.policies.grants
        slots = {slug: float(longest) for slug, (_, longest) in TIMES.items()}
        ahead = chance.choice((0.0, 0.4, -3600.0, 3600.7))
        bounds = self.policies.bounds
        self.clients = Clients(self.chaos, self._some_worker)
        self.public_url = chance.choice((PUBLIC_URL, PUBLIC_URL, None))
        calls, self.inbox = Calls(self.chaos, self.clients.call), Inbox(self.chaos)
        upstream = (self.chaos, self.epoch_s, ahead, PRICES, slots, lambda key: bounds[key])
        self.upstream = SimUpstream(*upstream, calls, self.inbox)
        self.policy = self.policies.draw()
        self.workers: list[Worker] = []
        self.asleep, self.night_s = False, chance.choice(NIGHTS_S)
        self.down_until = self.behind_s = 0.0
        self.violations: list[BaseException] = []
        self.sent: set[str] = set()

    def _store_us(self) -> int:
        return int((self.epoch_s + self.loop.time() - self.behind_s) * 1_000_000)

    def _client(self) -> SimClient:
        return SimClient(self.server, self.chaos, lambda: self.loop.time() < self.down_until)

    def start_worker(self) -> None:
        if self.asleep:
            return
        client = self._client()
        environ = {f"KEY_{key}": key for key in KEYS}
        wire = SimWire(self.upstream, self.first_byte)
        self.workers.append(Worker(client, self._scripts, wire, environ, self.policy, self.public_url))

    def first_byte(self, request_id: str, key: str) -> str:
        """A create leaves for upstream: once, after its hold, by the key that was reserved."""
        scope = self.clients.scopes[request_id]
        reservation = scope["state"]["facts"].get("reservation", "")
        held = self.server.witness.ref.all.get(reservation)
        check("sent", held is not None and held.live and held.upstream == key, request_id, "is sent for", held)
        check("sent", reservation not in self.sent, reservation, "is sent twice")
        self.sent.add(reservation)
        tenant: str = scope["tenant"]
        return tenant

    async def run(self) -> None:
        """Be busy, asleep, busy again, then calm; look at the whole at the end."""
        await self._busy(self.busy_s / 2)
        await self._night()
        await self._busy(self.busy_s / 2)
        self.chaos.calm, self.upstream.faulty, self.down_until = True, False, 0.0
        if not self.workers:
            self.start_worker()
        await self._quiet()
        await self.check_all()

    async def _busy(self, seconds: float) -> None:
        for _ in range(self.chaos.random.choice((1, 2, 3))):
            self.start_worker()
        busy = [asyncio.ensure_future(each) for each in self.actors()]
        await self._watch(busy, seconds)
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)

    def actors(self) -> list[Any]:
        """Give what goes on while the run is busy."""
        clients = [self.clients.client(self.chaos.random.choice((0.5, 2, 8))) for _ in range(6)]
        faults = [
            self._reloads(),
            self._deaths(),
            self._outages(),
            self._steps_back(),
            self._noise(),
            self._forgers(),
        ]
        return [*clients, *faults, trims.keep(self._client(), self._scripts, self.server.witness.ref, self.chaos)]

    async def _night(self) -> None:
        """No worker runs, upstream goes on: past horizons, windows and, in the longest, all that is kept."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()
        self.asleep = True
        await asyncio.sleep(self.night_s)
        self.asleep = False
        self.clients.forget_keys()

    async def _watch(self, tasks: list["asyncio.Task[Any]"], seconds: float) -> None:
        """Let time pass; a violation anywhere ends the run."""
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            await asyncio.sleep(1)
            for task in tasks:
                if task.done():
                    task.result()
            if self.violations:
                raise self.violations[0]

    async def _quiet(self) -> None:
        """Wait until nothing is live, at the longest to the horizon; then every client looks once more."""
        end = self.loop.time() + QUIET_S
        while self.loop.time() < end and any(each.live for each in self.server.witness.ref.all.values()):
            await self._watch([], 5)
        await self._watch([], 110)  # a cost that upstream states late is stated by now
        check_quiet(self.server.witness.ref)
        await self._look_once_more()

    async def _look_once_more(self) -> None:
        for prediction, reservation in list(self.server.witness.ref.owners.items()):
            held = self.server.witness.ref.find(reservation)
            if held is None or held.tenant == UNATTRIBUTED:
                continue
            tenant = held.tenant
            reply = await self.clients.request(tenant, "web", "GET", f"/v1/prediction/{prediction}")
            check("quiet", reply.status == 200, prediction, "of", tenant, "cannot be polled:", reply)
        await self._watch([], 1)

    async def check_all(self) -> None:
        """Every invariant."""
        ref = self.server.witness.ref
        check_content(ref, read_content(self.server.redis, self.server.now_us()))
        trims.check_journal(ref, self.server.redis, PREFIX)
        store = Store(SimClient(self.server, trims.calm(), lambda: False))
        report = await Auditor(store, self._scripts, "up").verify()
        check("audit", not report.faults and report.live == 0, report)
        await trims.check_spending(ref, store, self._scripts)
        for worker in self.workers:
            worker.kill()
        check_bill(ref, self.upstream.runs.values(), self._owner_of)
        check_told(self.inbox, self.clients.answered, self._must_be_told)
        check_owed(read_mail(self.server.redis), ref, self.upstream.runs)

    def _must_be_told(self, prediction: str) -> bool:
        """Whether upstream stated this end while the ledger kept it; after a day away it may be given up."""
        run, ref = self.upstream.runs[prediction], self.server.witness.ref
        held = ref.find(ref.owners.get(prediction, ""))
        stated = held is not None and held.how in ("exact", "overrun", "late") and not run.cancelled
        return stated and self.public_url is not None and self.night_s < DAY_S

    def _owner_of(self, run: Run) -> str:
        owner: str = self.clients.scopes[run.request]["state"]["facts"]["reservation"]
        return owner

    def _after_step(self) -> None:
        if self.server.scripts_run % CHECK_EVERY == 0:
            check_content(self.server.witness.ref, read_content(self.server.redis, self.server.now_us()))

    def _some_worker(self) -> Worker | None:
        return self.chaos.random.choice(self.workers) if self.workers else None

    async def _reloads(self) -> None:
        while True:
            await asyncio.sleep(self.chaos.random.expovariate(1 / 60))
            self.policy = self.policies.draw()
            for worker in self.workers:
                self.loop.call_later(self.chaos.random.uniform(0, 2), worker.adopt, self.policy)

    async def _deaths(self) -> None:
        while True:
            await asyncio.sleep(self.chaos.random.expovariate(1 / 90))
            if self.chaos.hit("worker died", 1) and self.workers:
                self.workers.pop(self.chaos.random.randrange(len(self.workers))).kill()
                self.loop.call_later(self.chaos.random.uniform(0.5, 30), self.start_worker)

    async def _noise(self) -> None:
        while True:
            await asyncio.sleep(self.chaos.random.expovariate(2))
            self.noise.make()

    async def _forgers(self) -> None:
        forger = Forger(self.chaos, self.server.witness.ref, self.upstream.calls, self.clients.call)
        while True:
            await asyncio.sleep(self.chaos.random.expovariate(1 / 3))
            await forger.forge()

    async def _steps_back(self) -> None:
        """Set the clock of the store's host back, a little and for good."""
        while True:
            await asyncio.sleep(self.chaos.random.expovariate(1 / 200))
            if self.chaos.hit("clock set back", 1):
                self.behind_s += self.chaos.random.uniform(0, 0.5)

    async def _outages(self) -> None:
        while True:
            await asyncio.sleep(self.chaos.random.expovariate(1 / 120))
            if self.chaos.hit("store down", 1):
                self.down_until = self.loop.time() + self.chaos.random.uniform(0.5, 20)


def simulate(
    seed: int,
    redis: "Redis[bytes]",
    scripts: Mapping[str, Script] = SCRIPTS,
    busy_s: float = 400,
    world: type[World] = World,
) -> Result:
    """Run a seed; raises Violation."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        with _prepared(loop) as faults:
            return runner.run(_run(lambda: world(seed, redis, scripts, busy_s), faults))


async def _run(make_world: Callable[[], World], faults: _Faults) -> Result:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(make_task)
    world = make_world()

    def unforeseen(_loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception") or Violation(str(context))
        if not isinstance(error, LedgerUnavailable | Refused):  # of a create whose client hung up: nobody reads it
            world.violations.append(error)

    loop.set_exception_handler(unforeseen)
    try:
        await world.run()
    finally:
        world.server.close()
    check("fault", not faults.found, faults.found[:1])
    ref, ends = world.server.witness.ref, dict[str, int]()
    for held in ref.all.values():
        ends[held.how] = ends.get(held.how, 0) + 1
    server, statuses = world.server, world.clients.statuses
    return Result(
        world.seed,
        loop.time(),
        server.scripts_run,
        len(ref.all),
        server.digest.hexdigest()[:16],
        world.chaos.hits,
        statuses,
        ends,
    )


@contextmanager
def _prepared(loop: VirtualLoop) -> Iterator[_Faults]:
    """Replace what a worker takes from its machine: time and chance; and read its log."""
    numbers, log, faults = itertools.count(1), logging.getLogger("gateway"), _Faults()
    before = log.level, log.propagate
    with ExitStack() as stack:
        stack.enter_context(simulated_time(loop))
        stack.enter_context(patch("gateway.cli.assembly.new_id", lambda: f"res-{next(numbers):05}"))
        stack.enter_context(patch("gateway.cli.assembly._wall_clock_us", lambda: 0))
        log.addHandler(faults)
        log.propagate = False
        log.setLevel(logging.ERROR)
        try:
            yield faults
        finally:
            log.removeHandler(faults)
            log.setLevel(before[0])
            log.propagate = before[1]
