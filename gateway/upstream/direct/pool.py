"""The pool: connections that are kept for a while, and how many there may be at once."""

import asyncio
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Callable

from aiohappyeyeballs import start_connection

from gateway.upstream.client import CONNECT_SECONDS, IDLE_SECONDS, NotSent
from gateway.upstream.direct.connection import Connection
from gateway.upstream.direct.writing import Origin

#: In use at once, over all addresses; who finds none waits as long as a connection may take to open.
MOST_OPEN = 2048
MOST_IDLE = 256
#: How often is looked at whose answer is late, which is how much later it is found: a timer of each takes 0.5 kB.
LOOK_SECONDS = 0.25
#: How long one of several addresses of a host has before the next is tried beside it (RFC 8305).
NEXT_ADDRESS_SECONDS = 0.25


class Pool:
    """Gives connections out, and takes them back. `tls` makes the context by which servers are verified."""

    def __init__(self, tls: Callable[[], ssl.SSLContext], most_open: int = MOST_OPEN) -> None:
        self._make_tls = tls
        self._tls: ssl.SSLContext | None = None
        self._places = asyncio.Semaphore(most_open)
        self._idle: defaultdict[Origin, list[Connection]] = defaultdict(list)
        self._resting = 0
        self._used: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None

    async def take(self, origin: Origin, by: float) -> Connection:
        """Give a connection that was kept, the last one first, or a new one, until `by` (time.monotonic()).

        Raises NotSent.
        """
        await self._place(by)
        try:
            connection = self._kept(origin) or await self._opened(origin, by)
        except BaseException:
            self._places.release()
            raise
        self._used.add(connection)
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._expire)
        return connection

    def give(self, origin: Origin, connection: Connection, *, lasting: bool) -> None:
        """Take a connection back; one that is not `lasting` is closed."""
        self._used.discard(connection)
        self._places.release()
        if not lasting or connection.closed or not connection.drained() or self._resting >= MOST_IDLE:
            connection.abort()
            return
        connection.rest()
        self._idle[origin].append(connection)
        self._resting += 1
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._give_up)

    def close(self) -> None:
        """Close every connection."""
        for timer in (self._sweep, self._look):
            if timer is not None:
                timer.cancel()
        for connection in [*self._used, *(each for idle in self._idle.values() for each in idle)]:
            connection.abort()
        self._idle.clear()
        self._resting = 0

    def _kept(self, origin: Origin) -> Connection | None:
        idle, oldest = self._idle.get(origin), time.monotonic() - IDLE_SECONDS
        while idle:
            self._resting -= 1
            connection = idle.pop()
            if connection.fit(oldest):
                return connection
            connection.abort()
        return None

    def _give_up(self) -> None:
        """Close what rests for too long, and come again while anything rests."""
        self._sweep, oldest = None, time.monotonic() - IDLE_SECONDS
        for origin, idle in list(self._idle.items()):
            fit = [connection for connection in idle if connection.fit(oldest)]
            for connection in set(idle) - set(fit):
                connection.abort()
            self._resting -= len(idle) - len(fit)
            self._idle[origin] = fit
            if not fit:
                del self._idle[origin]
        if self._resting:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS / 4, self._give_up)

    def _expire(self) -> None:
        """End the waits whose time is over, and come again while anybody waits."""
        self._look, now = None, time.monotonic()
        for connection in self._used:
            connection.expire(now)
        if self._used:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._expire)

    async def _place(self, by: float) -> None:
        """Wait for one of the places. Raises NotSent."""
        if not self._places.locked():
            await self._places.acquire()
            return
        seconds = _patience(by)
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise NotSent(f"Timeout: every connection was in use for {seconds:g} s") from error

    async def _opened(self, origin: Origin, by: float) -> Connection:
        """Open a connection in the time that it may take. Raises NotSent."""
        try:
            async with asyncio.timeout(_patience(by)):
                return await self._open(origin)
        except (OSError, ValueError) as error:  # those of ssl and of time among them
            raise NotSent(f"{type(error).__name__}: {error} ({origin.host}:{origin.port})") from error

    async def _open(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        if origin.secure and self._tls is None:
            self._tls = self._make_tls()
        found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        opened = await start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, loop=loop)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fd, name = opened.fileno(), origin.host if origin.secure else None
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(loop, fd),
                sock=opened,
                ssl=self._tls if origin.secure else None,
                server_hostname=name,
            )
        except BaseException:
            opened.close()
            raise
        return connection


def _patience(by: float) -> float:
    """Say how many seconds one step of taking a connection may last."""
    return max(min(CONNECT_SECONDS, by - time.monotonic()), 0.0)
