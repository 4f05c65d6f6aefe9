"""Processes: the children of `gateway serve`, none of which survives it."""

import asyncio
import logging
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from gateway.cli.child import Child, execute
from gateway.ledger.children import bound_to_parent

log = logging.getLogger("gateway.processes")

START_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 5.0


class ChildFailed(Exception):
    """A child did not come up; its own words are on standard error."""


class Workers:
    """Worker processes on one socket; one that dies is replaced until they are stopped.

    The first are those `forked`; `command` starts others, which inherit the descriptors `inherited`. `ended` is told
    the process id of each that ends.
    """

    def __init__(
        self,
        forked: Iterable[Child],
        command: Sequence[str],
        environ: Mapping[str, str],
        inherited: Sequence[int],
        ended: Callable[[int], object],
    ) -> None:
        self._forked = deque(forked)
        self._command = list(command)
        self._environ = dict(environ)
        self._inherited = tuple(inherited)
        self._ended = ended
        self._config: Callable[[int], bytes] | None = None
        self._running: set[Child] = set()
        self._ready: set[Child] = set()
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    @property
    def alive(self) -> int:
        """How many workers run."""
        return len(self._running)

    async def start(self, count: int, config: Callable[[int], bytes]) -> None:
        """Start workers and wait until all of them accept. Raises ChildFailed.

        `config` gives what a worker is told, for the descriptor on which it says that it is ready.
        """
        self._config = config
        started = await asyncio.gather(*(self._start() for _ in range(count)))
        self._watchers = [asyncio.ensure_future(self._watch(child)) for child in started]

    def read_again(self) -> None:
        """Ask every worker that is up to read policy and secrets again."""
        for child in self._ready:
            child.signal(signal.SIGHUP)

    async def dismiss(self) -> None:
        """End the forked workers that were not started."""
        for child in self._forked:
            child.dismiss()
            await child.ended()

    async def stop(self) -> None:
        """Ask every worker to drain, and wait for it."""
        self._stopping.set()
        for child in list(self._running):
            child.signal(signal.SIGTERM)
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def _start(self) -> Child:
        assert self._config is not None  # noqa: S101 (they are started by `start`)
        child = self._forked.popleft() if self._forked else execute(self._command, self._environ, self._inherited)
        self._running.add(child)
        child.tell(self._config(child.ready_fd))
        if not await _is_ready(child):
            self._running.discard(child)
            child.signal(signal.SIGKILL)
            await child.ended()
            raise ChildFailed("a worker did not start; the lines above say why")
        self._ready.add(child)
        return child

    async def _watch(self, child: Child) -> None:
        """Replace a worker that dies, with a growing pause where it dies again and again."""
        pause = 0.1
        while True:
            status = await child.ended()
            self._running.discard(child)
            self._ready.discard(child)
            self._ended(child.pid)
            if self._stopping.is_set():
                return
            log.error("worker %d died with status %d; another is started", child.pid, status)
            await asyncio.sleep(pause)
            if self._stopping.is_set():
                return
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            try:
                child = await self._start()
            except ChildFailed as error:
                log.error("%s", error)  # noqa: TRY400 (the worker has told its own story)
                continue
            pause = 0.1
            if self._stopping.is_set():  # it began too late to be asked with the others
                child.signal(signal.SIGTERM)


async def _is_ready(child: Child) -> bool:
    try:
        return await asyncio.wait_for(child.ready(), START_SECONDS)
    except TimeoutError:
        return False


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
