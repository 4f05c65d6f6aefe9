"""Rounds: each proxy in turn is started, put under its loads and stopped, so that nothing else runs beside it."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.programs import Program, free_port
from benchmarks.speed.accounting import cpu_us, memory
from benchmarks.speed.load import Call, Loaded, saturate, steady
from benchmarks.speed.peers.peer import House, Peer

#: Connections at a time, and how long they send, in seconds.
CROWDS = {32: 3, 4: 2}
#: Requests a second of the steady stream, and for how long; a proxy that carries less is not asked.
STEADY_PER_SECOND = 400
STEADY_SECONDS = 2


class Measured(NamedTuple):
    """One load of one proxy in one round; `crowd` is "4", "32" or "steady".

    `cpu_us` is processor time of the proxy's own processes for each request; `reached` is how many requests upstream
    saw for each that was sent.
    """

    peer: str
    load: str
    crowd: str
    seen: Loaded
    cpu_us: float
    reached: float


class Started(NamedTuple):
    """One start of one proxy: seconds until it answered, and its memory in MB after its loads.

    `pss_mb` is that of all its processes, what they share counted once; `worker_mb` all that the largest of them has
    in use, shared or not.
    """

    peer: str
    seconds: float
    pss_mb: float
    worker_mb: float


async def play(peer: Peer, store: Path, cores: tuple[int, int]) -> AsyncIterator[Measured | Started]:
    """Measure one proxy under all its loads."""
    with tempfile.TemporaryDirectory(prefix="speed-", ignore_cleanup_errors=True) as folder:
        async with stub(Path(folder), cores[1]) as upstream:
            house = House(Path(folder), upstream, store, *cores)
            try:
                await peer.start(house)
                await asyncio.to_thread(peer.stop)
                begun = time.monotonic()  # of the second start, which finds what the first has made
                await peer.start(house)
                seconds = time.monotonic() - begun
                for load in peer.loads:
                    call = await peer.prepare(load)
                    async for each in _crowds(peer, load, call, house):
                        yield each
                found = [memory(pid) for pid in peer.processes()]
                pss_kb, worker_kb = sum(each.pss_kb for each in found), max(each.rss_kb for each in found)
                yield Started(peer.name, seconds, pss_kb / 1000, worker_kb / 1000)
            finally:
                await asyncio.to_thread(peer.stop)


async def _crowds(peer: Peer, load: str, call: Call, house: House) -> AsyncIterator[Measured]:
    place, core = house.place, house.other_core
    fastest = 0.0
    for clients, seconds in CROWDS.items():
        saturated = saturate(peer.url, call, clients, seconds, place, core)
        measured = await _measured(peer, load, str(clients), house, saturated)
        fastest = max(fastest, measured.seen.per_second)
        yield measured
    if fastest > STEADY_PER_SECOND * 1.2:
        stream = steady(peer.url, call, STEADY_PER_SECOND, STEADY_SECONDS, place, core)
        yield await _measured(peer, load, "steady", house, stream)


async def _measured(peer: Peer, load: str, crowd: str, house: House, work: Awaitable[Loaded]) -> Measured:
    pids = peer.processes()
    before, arrived = cpu_us(pids), await _arrived(house.upstream)
    seen = await work
    spent, arrived = cpu_us(pids) - before, await _arrived(house.upstream) - arrived
    requests = max(seen.requests, 1)
    return Measured(peer.name, load, crowd, seen, spent / requests, arrived / requests)


@asynccontextmanager
async def stub(place: Path, core: int | None) -> AsyncIterator[str]:
    """Run the stub upstream; gives its address."""
    port = free_port()
    words = [sys.executable, "-m", "benchmarks.speed.stub", "--port", str(port)]
    program = Program(words, place / "stub.log", {}, core)
    try:
        await program.answers(f"http://127.0.0.1:{port}/count")
        yield f"http://127.0.0.1:{port}"
    finally:
        program.stop()


async def _arrived(upstream: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as http:
        return int((await http.get(f"{upstream}/count")).text)
