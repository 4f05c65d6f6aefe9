"""The pipeline: one connection to one server that all scripts of a worker share.

What is asked within one turn of the event loop travels in one write, and the replies come back in order. A call by
redis-py takes its own connection from a pool, and ten times the processor time.
"""

import asyncio
import time
from collections import deque
from itertools import takewhile
from typing import Any, NamedTuple

from hiredis import HiredisError, Reader, pack_command

from gateway.ledger.address import Address
from gateway.ledger.bounds import CALL_SECONDS, COMMAND_SECONDS
from gateway.ledger.dialling import dial
from gateway.ledger.failures import StoreGone, StoreLate, refusal

#: Calls that wait for their replies; a store that is this far behind has more to do than it can.
MOST_WAITING = 10_000
#: A look that comes so much too late was kept from it by this process and not by the store.
STALL_SECONDS = 0.1
_NOTHING = object()


class Cut(StoreGone):
    """The connection was closed before the reply."""


class _Call(NamedTuple):
    reply: "asyncio.Future[Any]"
    by: float


class Pipeline:
    """Runs commands; connects when there is something to send."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._link: _Link | None = None
        self._connecting: asyncio.Task[_Link] | None = None

    async def call(self, *command: str | int | bytes) -> Any:
        """Send one command and give its reply, within CALL_SECONDS. Raises StoreError or OSError.

        One repeat for a connection that was closed before the reply: the command must be one that may be repeated.
        """
        packed = _packed(command)
        if self._link is not None and not self._link.closed:
            try:
                return await self._link.call(packed)
            except Cut:
                return await self._again(packed)
        return await self._again(packed)

    async def _again(self, packed: bytes) -> Any:
        """Send over a new connection, in the time of a call."""
        async with asyncio.timeout(CALL_SECONDS):
            return await (await self._linked()).call(packed)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._link is not None:
            self._link.cut()

    async def _linked(self) -> "_Link":
        """Give a connection that is open, the same one to all who wait for it."""
        if self._link is not None and not self._link.closed:
            return self._link
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(self._connected)
        return await asyncio.shield(self._connecting)

    def _connected(self, done: "asyncio.Task[_Link]") -> None:
        self._connecting = None
        if not done.cancelled():
            done.exception()  # whoever waits is told

    async def _connect(self) -> "_Link":
        link = await self._open()
        try:
            for command in self._address.greeting():
                await link.call(_packed(command))
        except BaseException:
            link.cut()
            raise
        self._link = link
        return link

    async def _open(self) -> "_Link":
        loop = asyncio.get_running_loop()
        _, link = await dial(self._address, lambda: _Link(loop))
        return link


class _Link(asyncio.Protocol):
    """One connection; once closed it stays so."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.closed = False
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._reader = Reader(replyError=refusal, notEnoughData=_NOTHING)
        self._written: list[bytes] = []
        self._waiting: deque[_Call] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._look_at = 0.0
        self._heard = time.monotonic()

    def call(self, packed: bytes) -> "asyncio.Future[Any]":
        """Send with everything else of this turn of the loop."""
        if len(self._waiting) >= MOST_WAITING:
            raise StoreGone(f"more than {MOST_WAITING} calls wait for the store")
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self.closed:
            reply.set_exception(Cut("the connection to the store is closed"))
            return reply
        self._waiting.append(_Call(reply, time.monotonic() + COMMAND_SECONDS))
        if not self._written:
            self._loop.call_soon(self._flush)
        self._written.append(packed)
        if self._watch is None:
            self._look_in(COMMAND_SECONDS)
        return reply

    def cut(self) -> None:
        """Close it; whoever waits is told."""
        self._end(Cut("the connection to the store was closed"))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a stream
        """Begin."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand over every reply that is whole."""
        self._heard = time.monotonic()
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self._hand_over(reply)
        except (HiredisError, IndexError) as error:  # not the store's language, or a reply to nothing
            self._end(StoreGone(f"the store does not speak its protocol: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._end(Cut(f"the store closed the connection: {exc or 'without a word'}"))

    def _hand_over(self, reply: Any) -> None:
        waiting = self._waiting.popleft().reply
        if waiting.done():  # its caller has given up
            return
        if isinstance(reply, Exception):
            waiting.set_exception(reply)
        else:
            waiting.set_result(reply)

    def _flush(self) -> None:
        written, self._written = self._written, []
        if self._transport is not None and not self.closed:
            self._transport.write(written[0] if len(written) == 1 else b"".join(written))

    def _look(self) -> None:
        """Give up what has waited for too long, and the connection if nothing came over it meanwhile."""
        self._watch, now = None, time.monotonic()
        if now > self._look_at + STALL_SECONDS:  # it was this process that stood still: replies may lie there unread
            self._look_in(STALL_SECONDS / 10)
            return
        late = list(takewhile(lambda call: call.by <= now, self._waiting))
        if late and self._heard <= now - COMMAND_SECONDS:
            self._end(StoreLate(f"no reply within {COMMAND_SECONDS} s"))
            return
        for call in late:  # whose replies still come, each in its turn
            if not call.reply.done():
                call.reply.set_exception(StoreLate(f"no reply within {COMMAND_SECONDS} s"))
        if self._waiting:
            due = next((call.by for call in self._waiting if call.by > now), now + COMMAND_SECONDS)
            self._look_in(due - now)

    def _look_in(self, seconds: float) -> None:
        self._look_at = time.monotonic() + seconds
        self._watch = self._loop.call_later(seconds, self._look)

    def _end(self, error: Exception) -> None:
        self.closed = True
        if self._watch is not None:
            self._watch.cancel()
        if self._transport is not None:
            self._transport.abort()
        while self._waiting:
            waiting = self._waiting.popleft().reply
            if not waiting.done():
                waiting.set_exception(error)


def _packed(command: tuple[str | int | bytes, ...]) -> bytes:
    packed: bytes = pack_command(command)  # type: ignore[arg-type]  # it takes any number of words
    return packed
