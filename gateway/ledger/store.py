"""The store: the one way in which scripts are run on Redis or Valkey."""

import asyncio
from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Any, cast

import msgspec

from gateway.ledger.bounds import CALL_SECONDS
from gateway.ledger.clients import Client, client_for, pipeline_for
from gateway.ledger.failures import StoreError
from gateway.ledger.pipeline import Pipeline
from gateway.ledger.scripts import Script

#: Calls in flight at a time; the others wait for their turn.
CONNECTIONS = 32
#: A command on the node that has the script's keys.
FORWARD = "return redis.call(unpack(ARGV))"
#: What the client raises when the store does not do its part.
STORE_FAILURES = (StoreError, OSError)
#: What an operator's client may be told of a failure, by the first word of the store's refusal.
CAUSES = MappingProxyType(
    {
        "OOM": "the store is full",
        "READONLY": "the store is read-only",
        "LOADING": "the store loads its data",
        "MISCONF": "the store cannot write to its disk",
    }
)


class LedgerUnavailable(Exception):
    """The store did not answer, or could not do what was asked; whether it ran is not known.

    `cause` says it in a few words that name no place.
    """

    def __init__(self, message: str, cause: str = "the store does not answer") -> None:
        super().__init__(message)
        self.cause = cause


class Store:
    """Runs scripts and reads on one Redis, Valkey, Sentinel group or Cluster; every wait is bounded.

    Scripts go by the `pipeline`, where there is one.
    """

    def __init__(self, client: Client, pipeline: Pipeline | None = None) -> None:
        self._client = client
        self._pipeline = pipeline
        self._free = asyncio.Semaphore(CONNECTIONS)

    async def run(self, script: Script, prefix: str, request: object, *blobs: bytes) -> list[Any]:
        """Run a verb on the account's keys; the request travels as MessagePack, `blobs` (which the store's
        MessagePack has no type for) as arguments of their own.

        Safe to repeat after a lost reply, since every verb is a no-op the second time. Raises LedgerUnavailable.
        """
        packed = msgspec.msgpack.encode(request)
        try:
            reply = await self._script("EVALSHA", script.sha, *_keys(prefix), packed, *blobs)
        except STORE_FAILURES as error:
            if not _forgotten(error):
                raise _unavailable(script.verb, error) from error
            reply = await self.read("EVAL", script.text, *_keys(prefix), packed, *blobs)
        return cast("list[Any]", reply)

    async def read(self, *command: str | int | bytes) -> Any:
        """Run one plain command whose first argument after its name is a key. Raises LedgerUnavailable."""
        try:
            return await self._call(*command)
        except STORE_FAILURES as error:
            raise _unavailable(str(command[0]), error) from error

    async def near(self, prefix: str, *command: str | int | bytes) -> Any:
        """Run a command that names no key where the account's keys are: each node of a Cluster has a clock and a
        scan of its own. Raises LedgerUnavailable.
        """
        return await self.read("EVAL", FORWARD, *_keys(prefix), *command)

    async def everywhere(self, *command: str | int | bytes) -> list[Any]:
        """Run a command that names no key on every primary. Raises LedgerUnavailable."""
        try:
            return await self._client.everywhere(*command)
        except STORE_FAILURES as error:
            raise _unavailable(str(command[0]), error) from error

    async def listen(self, channel: str, heard: Callable[[bytes], None]) -> None:
        """Hand over what is published on a channel, until it fails. Raises LedgerUnavailable.

        What is published while nobody listens is lost, as it is on a connection that breaks.
        """
        try:
            await self._client.listen(channel, heard)
        except STORE_FAILURES as error:
            raise _unavailable("SUBSCRIBE", error) from error

    def _script(self, *command: str | int | bytes) -> Awaitable[Any]:
        return self._call(*command) if self._pipeline is None else self._pipeline.call(*command)

    async def _call(self, *command: str | int | bytes) -> Any:
        async with asyncio.timeout(CALL_SECONDS), self._free:
            return await self._client.execute_command(*command)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()
        if self._pipeline is not None:
            await self._pipeline.aclose()


async def agreed(store: Store, key: str, proposed: str) -> str:
    """Give the value on which all who share a store agree: the first that was proposed. Raises LedgerUnavailable."""
    await store.read("SET", key, proposed, "NX")
    value: bytes = await store.read("GET", key)
    return value.decode()


def _keys(prefix: str) -> tuple[int, str, str]:
    """Name the keys of a script; the second never exists.

    While a Cluster moves a slot, a script that names one key is sent on to the node that has only some of the account
    yet, and would find nothing spent; one that names two, of which one is missing, is refused on either side.
    """
    return 2, prefix, f"{prefix}:whole"


def _forgotten(error: Exception) -> bool:
    """Tell whether the store no longer has a script, as after its restart."""
    return isinstance(error, StoreError) and error.word == "NOSCRIPT"


def _unavailable(what: str, error: Exception) -> LedgerUnavailable:
    cause = CAUSES.get(error.word) if isinstance(error, StoreError) else None
    message = f"{what}: {str(error) or type(error).__name__}"
    return LedgerUnavailable(message, cause) if cause else LedgerUnavailable(message)


def connect(url: str) -> Store:
    """Make a store from an address, as `client_for` reads it; no I/O yet. Raises ValueError."""
    return Store(client_for(url), pipeline_for(url))
