"""What a synchronous run that is held open takes of the memory of a worker, and of each process of a gateway.

    make held FLAGS="--runs 500 2000"

Starts the gateway with one worker in front of the sandbox, whose runs take longer than the measurement, opens so many
`POST /v1/prediction/run` and waits until upstream has them all; prints the memory of each process when nothing is
held, and what the worker's has grown by for each run. Exit 1 where that is above 16 kB. Linux only.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from benchmarks import own
from benchmarks.programs import Program, free_port
from benchmarks.speed.accounting import Memory, command, family, memory
from gateway.policy.keys import key_toml, new_secret

MOST_KB = 16.0
#: Held before the measurement, for what only the first ones take.
FIRST = 100
#: Begun together: a crowd that comes at once is refused where the store takes too long.
AT_ONCE = 25
PATIENCE_SECONDS = 200.0
#: Longer than the measurement, and within what a synchronous run may take.
RUN_SECONDS = 280
MODEL = "eachlabs-bg-remover-v1"
BODY = {"model": MODEL, "input": {"image_url": "https://example.com/a.png"}}


class Run(asyncio.Protocol):
    """One synchronous run, on a connection of its own; `answered` once it is no longer held."""

    def __init__(self, request: bytes) -> None:
        self.answered = False
        self.transport: asyncio.Transport | None = None
        self._request = request

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a stream
        """Begin."""
        self.transport = transport
        transport.write(self._request)

    def data_received(self, _data: bytes) -> None:
        """Take note."""
        self.answered = True


class Runs:
    """Synchronous runs that are held open."""

    def __init__(self, port: int, upstream: str, secret: str) -> None:
        body = json.dumps(BODY).encode()
        head = f"POST /v1/prediction/run HTTP/1.1\r\nHost: gateway\r\nX-API-Key: {secret}\r\n"
        self._request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        self._port = port
        self._upstream = upstream
        self._held: list[Run] = []

    async def hold(self, number: int) -> None:
        """Begin runs until so many are held, and upstream has them all; what is refused is begun again."""
        async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient(trust_env=False) as http:
            while len(self._held) < number or await self._arrived(http) < number:
                for _ in range(min(AT_ONCE, number - len(self._held))):
                    await self._begin()
                await asyncio.sleep(0.1 if len(self._held) < number else 1)
                for refused in [each for each in self._held if each.answered]:
                    self._held.remove(refused)
                    _end(refused)

    async def leave(self) -> None:
        """Hang up."""
        for each in self._held:
            _end(each)

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        _, run = await loop.create_connection(lambda: Run(self._request), "127.0.0.1", self._port)
        self._held.append(run)

    async def _arrived(self, http: httpx.AsyncClient) -> int:
        books = (await http.get(f"{self._upstream}/sandbox/books")).json()
        return int(books["totals"]["creates"])


def _end(run: Run) -> None:
    assert run.transport is not None  # noqa: S101 (it was connected)
    run.transport.abort()


@asynccontextmanager
async def _house(place: Path, secret: str) -> AsyncIterator[tuple[Program, int, str]]:
    """Start the sandbox and the gateway; gives the gateway, its port, and the sandbox's address."""
    policies = own.write_policies(place / "policies", [own.ACCOUNT, own.tenant("t"), key_toml("t", secret)], [MODEL])
    port, metrics, other = free_port(), free_port(), free_port()
    upstream = f"http://127.0.0.1:{other}"
    far = {"creates-per-minute": 1_000_000, "concurrent": 1_000_000, "seconds": RUN_SECONDS}
    words = own.command(["sandbox"], {"listen": f"127.0.0.1:{other}", **far})
    programs = [Program(words, place / "sandbox.log", {})]
    places = {"policies": policies, "data-dir": place / "data", "upstream-url": upstream}
    listen = {"listen": f"127.0.0.1:{port}", "metrics-listen": f"127.0.0.1:{metrics}"}
    try:
        await programs[0].answers(f"{upstream}/sandbox/books")
        gateway = Program(own.command(["serve"], places | listen), place / "gateway.log", own.ENVIRON)
        programs.append(gateway)
        await gateway.answers(f"http://127.0.0.1:{metrics}/readyz")
        yield gateway, port, upstream
    finally:
        for program in reversed(programs):
            await asyncio.to_thread(program.kill)


async def measure(numbers: list[int]) -> float:
    """Print what was found; gives the most kB that a run took."""
    this = asyncio.current_task()
    assert this is not None  # noqa: S101 (a coroutine runs in one)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # which leaves no program behind
    secret = new_secret()
    with tempfile.TemporaryDirectory(prefix="held-") as folder:
        async with _house(Path(folder), secret) as (gateway, port, upstream):
            for pid in family(gateway.pid):
                print(f"{_name(pid)}: {_said(memory(pid))}")
            (worker,) = (pid for pid in family(gateway.pid) if _name(pid) == "worker")
            runs = Runs(port, upstream, secret)
            await runs.hold(FIRST)
            before, most = memory(worker), 0.0
            for number in sorted(numbers):
                await runs.hold(FIRST + number)
                now = memory(worker)
                each = (now.rss_kb - before.rss_kb) / number
                most = max(most, each)
                print(f"{number} runs more than {FIRST}: {_said(now)}; {each:.1f} kB for each")
            await runs.leave()
    return most


def _name(pid: int) -> str:
    told = command(pid)
    return "worker" if told.startswith("gateway worker") else "store" if "valkey-server" in told else "parent"


def _said(found: Memory) -> str:
    return f"RSS {found.rss_kb / 1000:.1f} MB, PSS {found.pss_kb / 1000:.1f} MB, its own {found.own_kb / 1000:.1f} MB"


def main() -> None:
    """Measure; exit 1 where a run takes more than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.held", description="memory of a held run")
    parser.add_argument("--runs", type=int, nargs="+", default=[500, 2000])
    most = asyncio.run(measure(parser.parse_args().runs))
    sys.exit(f"a held run takes {most:.1f} kB, which is above {MOST_KB:g}" if most > MOST_KB else 0)


if __name__ == "__main__":
    main()
