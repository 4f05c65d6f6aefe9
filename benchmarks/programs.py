"""Programs: child processes of the benchmark, of which none is left at its end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx

ROOT = Path(__file__).parents[1]
START_SECONDS = 120.0
STOP_SECONDS = 15.0


class Program:
    """One child with all that it starts, in a session of its own; what it says goes to a file.

    `core` is the only processor core that it may use, where one is named.
    """

    def __init__(self, words: Sequence[str], log: Path, environ: Mapping[str, str], core: int | None = None) -> None:
        self._log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*pinned(core), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(environ),
                cwd=ROOT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the process, and of its session."""
        return self._process.pid

    async def answers(self, url: str) -> None:
        """Wait until an address answers 200. Raises RuntimeError with what the program said if it never does."""
        give_up = time.monotonic() + START_SECONDS
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            while time.monotonic() < give_up and self._process.poll() is None:
                with suppress(httpx.TransportError):
                    if (await http.get(url)).status_code == 200:
                        return
                await asyncio.sleep(0.02)
        self.kill()
        raise RuntimeError(f"{self._process.args!r} does not answer at {url}:\n{self.said()[-4000:]}")

    async def says(self, words: str) -> None:
        """Wait until it has written these words. Raises RuntimeError if it never does."""
        give_up = time.monotonic() + START_SECONDS
        while words not in self.said():
            if time.monotonic() > give_up or self._process.poll() is not None:
                self.kill()
                raise RuntimeError(f"{self._process.args!r} never says {words!r}:\n{self.said()[-4000:]}")
            await asyncio.sleep(0.05)

    def said(self) -> str:
        """What it wrote so far."""
        return self._log.read_text("utf-8", errors="replace")

    def kill(self) -> None:
        """End it, and all that it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end; whatever it does, it has ended afterwards."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill()


def pinned(core: int | None) -> list[str]:
    """Give what stands before the words of a program that may use one core only; None leaves it any."""
    return [] if core is None else ["taskset", "--cpu-list", str(core)]


class Command(NamedTuple):
    """How a program is started, and the address at which it answers 200 once it can be used."""

    words: Sequence[str]
    log: Path
    environ: Mapping[str, str]
    health: str


class Replicas:
    """Programs that do the same, each at its address."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self._commands = commands
        self._running: list[Program] = []

    async def start(self) -> None:
        """Start all; returns once all answer. Raises RuntimeError."""
        self._running = [Program(each.words, each.log, each.environ) for each in self._commands]
        started = zip(self._running, self._commands, strict=True)
        await asyncio.gather(*(program.answers(command.health) for program, command in started))

    async def crash(self) -> None:
        """Kill all at once, and start them again."""
        for program in self._running:
            program.kill()
        await self.start()

    def stop(self) -> None:
        """End all; may be called twice."""
        for program in self._running:
            program.stop()


def free_port() -> int:
    """Give a port of this machine to listen on, which nobody else is given while this process runs.

    It stays bound: the kernel then gives it to nobody who asks for any port, nor to a connection that leaves, while a
    server that sets SO_REUSEADDR, as each does, may listen on it, again and again.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = int(held.getsockname()[1])
    held.detach()  # the descriptor stays open
    return port


def version_of(server: Path) -> str:
    """Ask a store's server for its name and version."""
    told = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return f"{server.name} {next(word for word in told if word.startswith('v='))[2:]}"


async def start_upstream(place: Path) -> tuple[Program, str]:
    """Start the upstream; gives it and its address."""
    port = free_port()
    words = [sys.executable, "-m", "benchmarks.accuracy.upstream", "--port", str(port)]
    program = Program(words, place / "upstream.log", {})
    await program.answers(f"http://127.0.0.1:{port}/bill/nobody")
    return program, f"http://127.0.0.1:{port}"


async def start_store(place: Path, binary: Path, core: int | None = None) -> tuple[Program, str]:
    """Start a Redis or Valkey that loses nothing that it acknowledged; gives it and its address."""
    port = free_port()
    flags = {"port": port, "bind": "127.0.0.1", "dir": place, "appendonly": "yes", "appendfsync": "always"}
    flags |= {"maxmemory-policy": "noeviction", "save": ""}
    words = [str(binary), *(word for name, value in flags.items() for word in (f"--{name}", str(value)))]
    program = Program(words, place / "store.log", {}, core)
    await program.says("eady to accept connections")
    return program, f"redis://127.0.0.1:{port}"
