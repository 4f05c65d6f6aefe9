"""kill -9 of the worker at every message of a create: to and from its client, the store and upstream.

Between two messages a kill has the same effect wherever it comes, so these are all the steps that there are. They are
found by looking at creates that nothing disturbs, not listed here.
"""

import asyncio
import os
import re
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple

import httpx
import pytest
from stores.proxy import Watch, proxy
from stores.servers import Yard

from e2e.clients import PRICE, Tenant, Upstream, until
from e2e.house import House
from e2e.policies import Policies, budget
from e2e.programs import Gateway, living
from gateway.ledger.scripts import load_scripts

#: So many creates are looked at; what all of them did is the path.
UNDISTURBED = 4
#: So often a step is tried that other messages hide.
TRIES = 3
#: A hold is stale 13 s after its create here; then upstream's list is read.
FOUND_SECONDS = 45

#: What a retry is told of a create whose outcome is not known yet.
UNDECIDED = {(409, "idempotency_in_flight"), (504, "upstream_in_doubt")}


class Step(NamedTuple):
    """A message on the way of a create: with whom, in which direction, and what was asked for last over there: the
    verbs of the store, the method of upstream.
    """

    place: str
    sent: bool
    asked: frozenset[str]


class Watched:
    """The messages of a worker with its client, the store and upstream, in their order; kills it at one of them."""

    def __init__(self) -> None:
        self.seen: list[Step] = []
        self.gateway: Gateway | None = None
        self.killed = asyncio.Event()
        self._verbs = {script.sha.encode(): verb for verb, script in load_scripts().items()}
        self._trap: tuple[Step, bool] | None = None

    def at(self, place: str) -> Callable[[], Watch]:
        """Give the watch of each connection with somebody."""

        def connected() -> Watch:
            asked: frozenset[str] = frozenset()

            async def watch(piece: bytes, to_server: bool) -> None:
                nonlocal asked
                asked = (to_server and self._asked_by(place, piece)) or asked
                # Seen from the worker, which is the server of its client.
                await self._passes(Step(place, to_server is not (place == "client"), asked))

            return watch

        return connected

    async def _passes(self, step: Step) -> None:
        """Note a message. Raises ConnectionAbortedError if it is lost with the worker."""
        self.seen.append(step)
        if self._trap is None or not self._is(step):
            return
        lost, self._trap = self._trap[1], None
        await self._kill()
        if lost:
            raise ConnectionAbortedError

    def set_trap(self, step: Step, lost: bool) -> None:
        """Kill the worker at the next such message; whether it is lost, or had left and arrives."""
        self._trap = step, lost
        self.killed.clear()

    def _is(self, step: Step) -> bool:
        assert self._trap is not None
        wanted = self._trap[0]
        return wanted[:2] == step[:2] and wanted.asked <= step.asked

    def _asked_by(self, place: str, piece: bytes) -> frozenset[str]:
        if place == "store":
            named = (self._verbs.get(sha) for sha in re.findall(rb"\b[0-9a-f]{40}\b", piece))
            return frozenset(verb for verb in named if verb is not None)
        # The body may come by itself, and asks for nothing more.
        methods = {piece.split(b" ", 1)[0].decode("latin-1")} & {"GET", "POST"}
        return frozenset(methods if place == "upstream" else ())

    async def _kill(self) -> None:
        assert self.gateway is not None
        (victim,) = self.gateway.workers
        os.kill(victim, signal.SIGKILL)

        async def dead() -> bool:
            return living([victim]) == []

        await until(dead)
        self.killed.set()


class Stage(NamedTuple):
    """One gateway with one worker, its client's side led through the same watch."""

    watched: Watched
    gateway: Gateway
    tenant: Tenant
    upstream: Upstream
    way_in: str

    async def create(self, seed: int) -> httpx.Response | None:
        """Create under a key of its own, through the watched way; None where the answer is lost."""
        body = {
            "model": "flux-2-klein-4b-base-edit",
            "input": {
                "prompt": "a hat",
                "image_size": "landscape_4_3",
                "image_urls": ["https://example.com/a.png"],
                "seed": seed,
            },
        }
        headers = {"X-API-Key": self.tenant.secret, "Idempotency-Key": f"create-{seed}", "Connection": "close"}
        try:
            return await self.tenant.http.post(f"{self.way_in}/v1/prediction", json=body, headers=headers)
        except httpx.TransportError:
            return None

    async def up(self) -> None:
        """Wait until a worker serves again."""

        async def serves() -> bool:
            try:
                ready = await self.tenant.http.get(f"{self.gateway.metrics_url}/readyz")
                return ready.status_code == 200 and len(self.gateway.workers) == 1
            except httpx.TransportError:
                return False

        await until(serves, 30)


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account(create_timeout_seconds=1)
    policies.usual_run(1)
    policies.tenant("acme", budget("100.00"))
    return policies


async def path_of(stage: Stage) -> list[Step]:
    """Give the messages that every undisturbed create has, in their order."""
    paths = []
    for seed in range(UNDISTURBED):
        stage.watched.seen.clear()
        answer = await stage.create(seed)
        assert answer is not None
        assert answer.status_code == 200, answer.text
        paths.append(list(stage.watched.seen))
    return [step for step in dict.fromkeys(paths[0]) if all(step in path for path in paths)]


async def killed_at(stage: Stage, step: Step, lost: bool, seed: int) -> dict[int, httpx.Response | None]:
    """Create, and kill the worker at that step; give what the client got: an answer only where that had left.

    On a busy machine the worker may ask the store for something else before a reply, which then is not known for the
    step: that create is answered, and another one is tried.
    """
    answers: dict[int, httpx.Response | None] = {}
    has_left = (step.place, step.sent, lost) == ("client", True, False)
    for each in range(seed, seed + TRIES):
        stage.watched.set_trap(step, lost)
        answers[each] = await stage.create(each)
        with suppress(TimeoutError):
            await asyncio.wait_for(stage.watched.killed.wait(), 30)
        await stage.up()
        if stage.watched.killed.is_set() and (answers[each] is not None) == has_left:
            return answers
    raise AssertionError(f"{TRIES} times no worker was killed at {step}, or the client had another answer")


async def made(upstream: Upstream) -> dict[int, str]:
    """Give seed → id of every prediction that upstream runs; none was sent twice."""
    ids = [entry["id"] for entry in (await upstream.books())["creates"]]
    found = {(await upstream.prediction(id_))["input"]["seed"]: id_ for id_ in ids}
    assert len(found) == len(ids), "a create was sent twice"
    return found


async def agreed(stage: Stage) -> dict[int, str]:
    """Wait until the ledger agrees with upstream's bill; give what upstream made."""

    async def billed() -> bool:
        used, _ = await stage.tenant.spent()
        return used == await stage.upstream.billed() == PRICE * len((await stage.upstream.books())["creates"])

    await until(billed, FOUND_SECONDS)
    return await made(stage.upstream)


async def assert_each_once(stage: Stage, answers: dict[int, httpx.Response | None]) -> None:
    """A retry gets what was run, or is not run while that is not known; what never was sent, it runs."""
    before = await agreed(stage)
    # Held is only what was never sent, until its absence is proved, a minute later.
    assert (await stage.tenant.spent())[1] <= PRICE * (UNDISTURBED + len(answers) - len(before))
    for seed in answers:
        again = await stage.create(seed)
        assert again is not None
        if again.status_code != 200:
            assert (again.status_code, again.json()["code"]) in UNDECIDED
            continue
        assert again.json()["predictionID"] == before.get(seed, again.json()["predictionID"])
    after = await agreed(stage)
    assert before.items() <= after.items()
    for seed, answer in answers.items():
        assert answer is None or answer.json()["predictionID"] == after[seed]


async def test_a_worker_killed_at_any_step_of_a_create_loses_doubles_and_overspends_nothing(
    ground: Yard, house: House, policies: Policies, http: httpx.AsyncClient
) -> None:
    watched, sandbox = Watched(), house.sandbox(seconds=0.3)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(proxy(ground.server().port, watched.at("store")))
        way_out = await stack.enter_async_context(proxy(int(sandbox.url.rsplit(":", 1)[1]), watched.at("upstream")))
        # In a thread, since its ways are carried by this one.
        gateway = watched.gateway = await asyncio.to_thread(
            house.gateway,
            policies,
            sandbox,
            redis_url=f"redis://127.0.0.1:{store.port}",
            upstream_url=f"http://127.0.0.1:{way_out.port}",
        )
        way_in = await stack.enter_async_context(proxy(int(gateway.url.rsplit(":", 1)[1]), watched.at("client")))
        tenant = Tenant(http, gateway, gateway.secrets["acme"])
        stage = Stage(watched, gateway, tenant, Upstream(http, sandbox), f"http://127.0.0.1:{way_in.port}")
        path = await path_of(stage)
        print(*path, sep="\n")
        assert {(step.place, step.sent) for step in path} == {
            (place, sent) for place in ("client", "store", "upstream") for sent in (True, False)
        }
        # What the worker had sent may arrive or not; what was sent to it, it has not got.
        kills = [(step, lost) for step in path for lost in ((False, True) if step.sent else (True,))]
        answers: dict[int, httpx.Response | None] = {}
        for step, lost in kills:
            answers |= await killed_at(stage, step, lost, UNDISTURBED + len(answers))
        await assert_each_once(stage, answers)
        await asyncio.to_thread(gateway.verify_ledger)
        watched.gateway = None
        await asyncio.to_thread(house.close)
