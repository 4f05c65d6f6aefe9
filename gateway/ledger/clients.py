"""Clients: how the store is called beside the pipeline of scripts; every wait is bounded."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from gateway.ledger.address import SINGLE, Address, read_address
from gateway.ledger.listening import listen
from gateway.ledger.pipeline import Pipeline

GROUPS = ("redis+cluster", "redis+sentinel")


class Client(Protocol):
    """What the store asks of a client. Raises StoreError or OSError."""

    async def execute_command(self, *_command: str | int | bytes) -> Any:
        """Send one command and await its reply."""
        ...

    async def everywhere(self, *_command: str | int | bytes) -> list[Any]:
        """Send one command to every primary."""
        ...

    async def listen(self, _channel: str, _heard: Callable[[bytes], None]) -> None:
        """Hand over what is published on a channel, until the connection ends."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class Single:
    """One server. Commands share a connection of their own, beside that of scripts, which no long reply holds up."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._pipeline = Pipeline(address)

    async def execute_command(self, *command: str | int | bytes) -> Any:
        """Send one command and await its reply; a hash comes as a dict."""
        reply = await self._pipeline.call(*command)
        return dict(zip(reply[::2], reply[1::2], strict=True)) if command[0] == "HGETALL" else reply

    async def everywhere(self, *command: str | int | bytes) -> list[Any]:
        """Send one command to the server."""
        return [await self.execute_command(*command)]

    async def listen(self, channel: str, heard: Callable[[bytes], None]) -> None:
        """Hand over what is published on a channel, until the connection ends."""
        await listen(self._address, channel, heard)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._pipeline.aclose()


def client_for(url: str) -> Client:
    """Make a client for `redis://`, `rediss://`, `unix://`, `redis+cluster://` or `redis+sentinel://`; no I/O yet.

    A Sentinel address is `redis+sentinel://host:port,host:port/SERVICE[?db=N]`. Raises ValueError for another
    scheme.
    """
    scheme = urlsplit(url).scheme
    if scheme in SINGLE:
        return Single(read_address(url))
    if scheme in GROUPS:
        return cast("Client", import_module("gateway.ledger.redis_py").Group(url))
    raise ValueError(
        f"not a store's address: {url!r}; use redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://"
    )


def pipeline_for(url: str) -> Pipeline | None:
    """Make the pipeline of a single server; None for a group, of which redis-py knows which server is meant."""
    return Pipeline(read_address(url)) if urlsplit(url).scheme in SINGLE else None
