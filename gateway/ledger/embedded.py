"""The embedded store: a real valkey-server as a supervised child, for a gateway on one host.

One data directory has one server: its lock is held by the gateway *and*, through the inherited descriptor, by the
server, so a new gateway waits for the server of a killed one. On Linux that server ends by itself, by the kernel's
signal; on other systems it has to be ended by hand, and until then its directory is refused to others.
"""

import asyncio
import logging
import os
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from gateway.ledger.address import read_address
from gateway.ledger.damage import advice
from gateway.ledger.data_dir import DataDir, StoreFailed, StoreInUse
from gateway.ledger.failures import StoreError
from gateway.ledger.pipeline import Pipeline
from gateway.ledger.server_process import begin, end, find_server

__all__ = ["EmbeddedStore", "StoreFailed", "StoreInUse", "find_server", "opened", "running_url"]

_LOG = logging.getLogger(__name__)
_POLL_S = 0.005
_LOCK_WAIT_S = 10.0
_READY_WAIT_S = 30.0
_STOP_WAIT_S = 10.0
_RESTART_FIRST_S = 0.1
_RESTART_MOST_S = 5.0


class EmbeddedStore:
    """One valkey-server on one data directory, from `start` to `stop` or as an async context manager.

    `lock_wait_s` and `ready_wait_s` bound how long `start` waits for the directory and for the first answer,
    `stop_wait_s` how long `stop` waits before it kills; no acknowledged write depends on the latter.
    Start it from the main thread (see `bound_to_parent`).
    """

    def __init__(
        self,
        data_dir: Path,
        binary: Path,
        *,
        lock_wait_s: float = _LOCK_WAIT_S,
        ready_wait_s: float = _READY_WAIT_S,
        stop_wait_s: float = _STOP_WAIT_S,
    ) -> None:
        self._place = DataDir.at(data_dir)
        self._binary = binary
        self._lock_wait_s = lock_wait_s
        self._ready_wait_s = ready_wait_s
        self._stop_wait_s = stop_wait_s
        self._lock_fd: int | None = None
        self._server: Process | None = None  # None before start and after stop
        self._changing = asyncio.Lock()  # a restart and a stop exclude each other, so that stop misses no server

    def __repr__(self) -> str:
        return f"<EmbeddedStore {self._place.path} server={self.pid}>"

    @property
    def url(self) -> str:
        """The address of the store, `unix://…`."""
        return self._place.url

    @property
    def pid(self) -> int | None:
        """The process id of the server (the last one, if it crashed), or None while the store is stopped."""
        return self._server.pid if self._server else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Take the directory, start the server and return when it answers, its data loaded.

        Raises StoreInUse if another process keeps the directory, StoreFailed if the server cannot start.
        """
        self._place.prepare()
        self._lock_fd = await self._lock()
        try:
            self._server = await begin(self._binary, self._place, self._lock_fd)
            await self._ready(self._server)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the server and free its directory; may be repeated."""
        async with self._changing:
            server, self._server = self._server, None
            try:
                if server is not None:
                    await end(server, self._stop_wait_s)
            finally:
                if self._lock_fd is not None:
                    os.close(self._lock_fd)
                    self._lock_fd = None

    async def watch(self) -> None:
        """Start a crashed server again, after 0.1 s and then ever later up to 5 s, until cancelled or stopped.

        It does not wait for the new server to answer: clients see whether it does, and loading may take its time.
        """
        delay_s = _RESTART_FIRST_S
        while (server := self._server) is not None:
            began = time.monotonic()
            code = await server.wait()
            if time.monotonic() - began > _RESTART_MOST_S:
                delay_s = _RESTART_FIRST_S
            if self._server is server:
                told = self._told() if code > 0 else ""  # it ended by itself, and has said why
                _LOG.error(
                    "the store's server %d ended with code %d; restart in %.1f s%s", server.pid, code, delay_s, told
                )
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _RESTART_MOST_S)
                await asyncio.shield(self._replace(server))

    async def _replace(self, ended: Process) -> None:
        async with self._changing:
            if self._server is not ended or self._lock_fd is None:
                return  # stopped meanwhile
            try:
                self._server = await begin(self._binary, self._place, self._lock_fd)
            except StoreFailed:
                _LOG.exception("the store's server was not restarted")
            else:
                _LOG.warning("the store's server was restarted as process %d", self._server.pid)

    async def _lock(self) -> int:
        deadline = time.monotonic() + self._lock_wait_s
        while (fd := self._place.try_lock()) is None:
            if time.monotonic() > deadline:
                raise StoreInUse(f"the store in {self._place.path} is in use by {self._place.holder()}")
            await asyncio.sleep(_POLL_S)
        return fd

    async def _ready(self, server: Process) -> None:
        deadline = time.monotonic() + self._ready_wait_s
        while not await _answers(self.url):
            if server.returncode is not None:
                raise self._failure(f"ended with code {server.returncode} while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {self._ready_wait_s:g} s")
            await asyncio.sleep(_POLL_S)

    def _failure(self, what: str) -> StoreFailed:
        return StoreFailed(f"{self._binary} {what}{self._told()}")

    def _told(self) -> str:
        last = f"; the last lines of {self._place.log_file}:\n{self._place.log_tail()}"
        return last + advice(self._place, self._binary)


def running_url(data_dir: Path) -> str | None:
    """Give the address of the store that another process runs on `data_dir`, or None if none does."""
    place = DataDir.at(data_dir)
    return place.url if place.is_locked() and place.socket.is_socket() else None


def has_ledger(data_dir: Path) -> bool:
    """Tell whether a store was ever run on `data_dir`, by the append-only file that it leaves."""
    return any((data_dir / name).exists() for name in ("appendonlydir", "appendonly.aof"))


@asynccontextmanager
async def opened(data_dir: Path, binary: Path) -> AsyncIterator[str]:
    """Give a command the address of the running store, else of one started for the command's own time.

    Raises as `EmbeddedStore.start` does.
    """
    place = DataDir.at(data_dir)
    deadline = time.monotonic() + _READY_WAIT_S
    while place.is_locked() and time.monotonic() < deadline:  # it may be starting, or ending
        if await _answers(place.url):
            yield place.url
            return
        await asyncio.sleep(_POLL_S)
    async with EmbeddedStore(data_dir, binary) as store:
        yield store.url


async def _answers(url: str) -> bool:
    """Tell whether the store answers now; one that still loads its data does not."""
    pipeline = Pipeline(read_address(url))
    try:
        await pipeline.call("PING")
    except (StoreError, OSError):
        return False
    finally:
        await pipeline.aclose()
    return True
