"""Processes: the children of `gateway serve`, none of which survives it."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.ledger.children import bound_to_parent

log = logging.getLogger("gateway.processes")

START_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 5.0


class ChildFailed(Exception):
    """A child did not come up; its own words are on standard error."""


class Workers:
    """Worker processes on one socket; one that dies is replaced until they are stopped.

    `config` gives what a worker reads from its standard input, for the descriptor on which it says that it is ready;
    `ended` is told the process id of each that ends.
    """

    def __init__(
        self,
        command: Sequence[str],
        config: Callable[[int], bytes],
        environ: Mapping[str, str],
        inherited: Sequence[int],
        ended: Callable[[int], object],
    ) -> None:
        self._command = list(command)
        self._config = config
        self._environ = dict(environ)
        self._inherited = tuple(inherited)
        self._ended = ended
        self._running: set[asyncio.subprocess.Process] = set()
        self._ready: set[asyncio.subprocess.Process] = set()
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    @property
    def alive(self) -> int:
        """How many workers run."""
        return len(self._running)

    async def start(self, count: int) -> None:
        """Start workers and wait until all of them accept. Raises ChildFailed."""
        started = await asyncio.gather(*(self._start() for _ in range(count)))
        self._watchers = [asyncio.ensure_future(self._watch(process)) for process in started]

    def read_again(self) -> None:
        """Ask every worker that is up to read policy and secrets again."""
        for process in self._ready:
            process.send_signal(signal.SIGHUP)

    async def stop(self) -> None:
        """Ask every worker to drain, and wait for it."""
        self._stopping.set()
        for process in list(self._running):
            process.send_signal(signal.SIGTERM)
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def _start(self) -> asyncio.subprocess.Process:
        read_fd, write_fd = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._environ,
                pass_fds=(*self._inherited, write_fd),
                stdin=asyncio.subprocess.PIPE,  # and no argument: those are seen by every user of the machine
                start_new_session=True,  # a terminal's Ctrl-C reaches the parent alone, which drains
                preexec_fn=bound_to_parent(signal.SIGKILL),
            )
            self._running.add(process)
            await _tell(process, self._config(write_fd))
        finally:
            os.close(write_fd)
        if not await _said_ready(read_fd):
            self._running.discard(process)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise ChildFailed("a worker did not start; the lines above say why")
        self._ready.add(process)
        return process

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Replace a worker that dies, with a growing pause where it dies again and again."""
        pause = 0.1
        while True:
            status = await process.wait()
            self._running.discard(process)
            self._ready.discard(process)
            self._ended(process.pid)
            if self._stopping.is_set():
                return
            log.error("worker %d died with status %d; another is started", process.pid, status)
            await asyncio.sleep(pause)
            if self._stopping.is_set():
                return
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            try:
                process = await self._start()
            except ChildFailed as error:
                log.error("%s", error)  # noqa: TRY400 (the worker has told its own story)
                continue
            pause = 0.1
            if self._stopping.is_set():  # it began too late to be asked with the others
                process.send_signal(signal.SIGTERM)


async def _tell(process: asyncio.subprocess.Process, config: bytes) -> None:
    """Write a worker's configuration; one that died before it could read says so by not getting ready."""
    assert process.stdin is not None  # noqa: S101 (it was asked for as a pipe)
    with suppress(ConnectionError):
        process.stdin.write(config)
        await process.stdin.drain()
    process.stdin.close()


async def _said_ready(read_fd: int) -> bool:
    """Wait for the byte that a worker writes once it accepts; the end of the pipe means that it died."""
    reader = asyncio.StreamReader()
    pipe = os.fdopen(read_fd, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        return bool(await asyncio.wait_for(reader.read(1), START_SECONDS))
    except TimeoutError:
        return False
    finally:
        transport.close()


async def start_sandbox(environ: Mapping[str, str], data_dir: Path) -> tuple[asyncio.subprocess.Process, str]:
    """Start the simulated upstream on its usual port, else a free one; returns it and its URL. Raises ChildFailed.

    What it made is remembered in the data directory, as the ledger is: a restart leaves no hold without an answer.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "sandbox", "--or-any-port", "--state", str(data_dir / "sandbox.jsonl")),
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=bound_to_parent(signal.SIGKILL),
    )
    assert process.stdout is not None  # noqa: S101 (it was asked for above)
    line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    if not line.startswith(b"ready "):
        raise ChildFailed("the sandbox did not start; the lines above say why")
    return process, line.split()[1].decode()
