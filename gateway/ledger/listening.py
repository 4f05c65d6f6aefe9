"""Listening to one server: what is published on a channel, over a connection of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

from hiredis import Reader, pack_command

from gateway.ledger.address import Address
from gateway.ledger.dialling import dial
from gateway.ledger.failures import StoreError, StoreGone, refusal

_NOTHING = object()


async def listen(address: Address, channel: str, heard: Callable[[bytes], None]) -> None:
    """Hand over what is published on a channel, until the connection ends. Raises StoreError or OSError."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    commands = [*address.greeting(), ("SUBSCRIBE", channel)]
    transport, _ = await dial(address, lambda: _Ear(commands, heard, ended))
    try:
        await ended
    finally:
        transport.abort()


class _Ear(asyncio.Protocol):
    """A connection that says what it has to say at once, and then only hears."""

    def __init__(
        self, commands: list[tuple[str, ...]], heard: Callable[[bytes], None], ended: "asyncio.Future[None]"
    ) -> None:
        self._commands = commands
        self._heard = heard
        self._ended = ended
        self._reader = Reader(replyError=refusal, notEnoughData=_NOTHING)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a stream
        """Begin."""
        transport.write(b"".join(pack_command(command) for command in self._commands))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Hand over what is whole."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self._take(reply)
        except StoreError as error:
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who listens."""
        self._end(StoreGone(f"the store closed the connection: {exc or 'without a word'}"))

    def _take(self, reply: Any) -> None:
        if isinstance(reply, StoreError):
            self._end(reply)
        elif isinstance(reply, list) and reply[0] == b"message":
            self._heard(reply[2])

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)
