"""A worker's process as its parent has it: told its configuration by one pipe, heard over another.

Workers begin in one of two ways. The first are *forked*, from a parent that has loaded everything and begun nothing:
the code is then read once for all processes, and its memory is shared. Those that replace a dead one are *executed*:
by then the parent has threads, an event loop and connections, none of which survives a fork in good order.
"""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.ledger.children import bound_to_parent

#: What a worker does: it reads its configuration from the descriptor that it is given, serves, and returns.
Work = Callable[[int], None]


class Child:
    """One worker: `pid`; `ready_fd` is the number, in the worker, of the descriptor on which it says so."""

    def __init__(self, pid: int, ready_fd: int, tell_fd: int, hear_fd: int, reap: Callable[[], int]) -> None:
        self.pid = pid
        self.ready_fd = ready_fd
        self._tell_fd: int | None = tell_fd
        self._hear_fd = hear_fd
        self._reap = reap
        self._heard: asyncio.StreamReader | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._status: int | None = None

    def tell(self, config: bytes) -> None:
        """Write its configuration, which is short; one that died before says so by never being ready."""
        assert self._tell_fd is not None  # noqa: S101 (it is told once)
        with suppress(BrokenPipeError), os.fdopen(self._tell_fd, "wb") as pipe:
            self._tell_fd = None
            pipe.write(config)

    def dismiss(self) -> None:
        """Have one that was told nothing end."""
        if self._tell_fd is not None:
            os.close(self._tell_fd)
            self._tell_fd = None

    async def ready(self) -> bool:
        """Wait for the byte that it writes once it accepts; the end of the pipe means that it died."""
        return bool(await (await self._hear()).read(1))

    async def ended(self) -> int:
        """Wait for its end, at which the kernel closes its end of the pipe; gives its exit status."""
        if self._status is None:
            await (await self._hear()).read()
            self._status = self._reap()
        if self._transport is not None:
            self._transport.close()
        return self._status

    def signal(self, number: int) -> None:
        """Send a signal; its process id is its own until `ended` has returned."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def let_go(self) -> None:
        """Close this process's ends: what a sibling does that was forked later."""
        self.dismiss()
        os.close(self._hear_fd)

    async def _hear(self) -> asyncio.StreamReader:
        if self._heard is None:
            self._heard = heard = asyncio.StreamReader()
            pipe = os.fdopen(self._hear_fd, "rb", buffering=0)
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(heard), pipe)
        return self._heard


def fork(count: int, work: Work, close: Callable[[], object]) -> list[Child]:
    """Fork workers, each to do its work and never to return; `close` closes what is only the parent's.

    Nothing of this process is lost on them, since it has only loaded modules and read files: `gateway.cli.parent`
    forks before there is an event loop, a connection or a child. Where there is a second thread all the same, such as
    that of a profiler, a lock that it holds would be held for ever: then nothing is forked, and the list is empty. So
    it is on other systems than Linux, where a worker could outlive its parent.
    """
    if sys.platform != "linux" or len(list(Path("/proc/self/task").iterdir())) > 1:
        return []
    gc.freeze()  # the collector leaves alone, and so unwritten and shared, what is there now
    children: list[Child] = []
    for _ in range(count):
        children.append(_fork(work, close, children))
    return children


def _fork(work: Work, close: Callable[[], object], siblings: Iterable[Child]) -> Child:
    read_config, tell = os.pipe()
    hear, say_ready = os.pipe()
    bind = bound_to_parent(signal.SIGKILL)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            bind()
            os.setsid()  # a terminal's Ctrl-C reaches the parent alone, which drains
            for fd in (tell, hear):
                os.close(fd)
            for sibling in siblings:  # held open, its pipes would never end
                sibling.let_go()
            close()
            work(read_config)
            status = 0
        except BaseException:  # noqa: BLE001 (it is told, and ends this process, whose stack is the parent's)
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(read_config)
    os.close(say_ready)
    return Child(pid, say_ready, tell, hear, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def execute(command: Sequence[str], environ: Mapping[str, str], inherited: Sequence[int]) -> Child:
    """Start a worker as a program of its own, which reads its configuration from its standard input."""
    read_config, tell = os.pipe()
    hear, say_ready = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 (it is this very program)
            command,
            env=environ,
            pass_fds=(*inherited, say_ready),
            stdin=read_config,  # and no argument: those are seen by every user of the machine
            start_new_session=True,
            preexec_fn=bound_to_parent(signal.SIGKILL),
        )
    except BaseException:
        os.close(tell)
        os.close(hear)
        raise
    finally:
        os.close(read_config)
        os.close(say_ready)
    return Child(process.pid, say_ready, tell, hear, process.wait)
