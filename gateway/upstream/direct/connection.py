"""A connection: carries one exchange at a time, and knows whether it can carry another."""

import asyncio
import select
import time

from gateway.upstream.direct.incoming import Broken, Incoming

#: A stream that its reader does not keep up with is not read further than this.
MOST_AHEAD_BYTES = 256 * 2**10


class Connection(asyncio.Protocol):
    """Sends and receives. Nothing else reads its socket, so what arrives while it rests makes it useless."""

    __slots__ = (
        "_broken",
        "_by",
        "_fd",
        "_incoming",
        "_loop",
        "_piecewise",
        "_transport",
        "_waiter",
        "closed",
        "rested",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self.closed = False
        self.rested = 0.0
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._incoming: Incoming | None = None
        self._piecewise = False
        self._by = float("inf")
        self._waiter: asyncio.Future[None] | None = None
        self._broken: Broken | None = None
        self._fd = fd

    def start(self, request: bytes, incoming: Incoming, by: float | None) -> None:
        """Send a request, of which a byte may then have left, and wait for its answer until `by` (time.monotonic());
        without one, its reader sees to that, and is woken at every piece.
        """
        assert self._transport is not None  # noqa: S101 (it is connected)
        self._incoming, self._piecewise, self._broken = incoming, by is None, None
        self._by = float("inf") if by is None else by
        self._transport.write(request)

    def waiting(self) -> "asyncio.Future[None]":
        """Give what ends when more of the answer is there (all of it, unless its reader is woken at every piece), or
        with TimeoutError; what it brought is then to be checked.
        """
        self._waiter = self._loop.create_future()
        if self._broken is not None:
            self._wake()
        return self._waiter

    def check(self) -> None:
        """Raise Broken if the answer is none, or will never be whole."""
        if self._broken is not None:
            raise self._broken

    async def progress(self) -> None:
        """Wait until more of the answer is there. Raises Broken."""
        await self.waiting()
        self.check()

    def expire(self, now: float) -> None:
        """End the wait for an answer with TimeoutError if its time (time.monotonic()) is over."""
        if now > self._by and self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def taken(self) -> None:
        """The reader has taken the pieces that were there."""
        if self._transport is not None and not self.closed and not self._transport.is_reading():
            self._transport.resume_reading()

    def drained(self) -> bool:
        """Tell whether all of the request has left: a server may answer before it has read a body."""
        return self._transport is not None and self._transport.get_write_buffer_size() == 0

    def rest(self) -> None:
        """Wait for another exchange."""
        self._incoming = self._waiter = None
        self.rested = time.monotonic()

    def fit(self, oldest: float) -> bool:
        """Tell whether it can be used again: it rested since `oldest` at the longest, and is not being closed.

        A close that has reached this host but not yet the event loop is asked of the kernel.
        """
        if self.closed or self.rested < oldest:
            return False
        asked = select.poll()  # every time, since one that is kept takes 0.35 kB
        asked.register(self._fd, select.POLLIN)
        return not asked.poll(0)

    def abort(self) -> None:
        """Close it at once."""
        self.closed = True
        self._incoming = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP or TLS
        """Begin."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read on in the answer."""
        incoming = self._incoming
        if incoming is None:  # a server that says goodbye, or nonsense
            self.abort()
            return
        try:
            incoming.feed(data)
        except Broken as broken:
            self._fail(broken)
            return
        if self._piecewise and incoming.size and sum(map(len, incoming.pieces)) > MOST_AHEAD_BYTES:
            self._pause()
        if incoming.whole or self._piecewise:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way."""
        self.closed = True
        if self._incoming is not None and not self._incoming.whole:
            try:
                if exc is not None:
                    raise Broken(f"the connection was lost: {exc}")
                self._incoming.end()
            except Broken as broken:
                self._broken = broken
            self._wake()

    def _pause(self) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def _fail(self, broken: Broken) -> None:
        self._broken = broken
        self.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
