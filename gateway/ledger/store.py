"""The store: the one way in which scripts are run on Redis or Valkey."""

import asyncio
from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Any, cast

import msgspec
from redis.asyncio import RedisCluster
from redis.exceptions import BusyLoadingError, NoScriptError, OutOfMemoryError, ReadOnlyError, RedisError

from gateway.ledger.clients import CALL_SECONDS, Client, client_for
from gateway.ledger.pipeline import Pipeline, pipeline_for
from gateway.ledger.scripts import Script

#: Calls in flight at a time; the others wait for their turn.
CONNECTIONS = 32
#: A command on the node that has the script's keys.
FORWARD = "return redis.call(unpack(ARGV))"
#: What the client raises when the store does not do its part. RuntimeError is a transport closed under a write,
#: AttributeError a connection of the Cluster client that another task's refresh of the nodes closed while it opened.
STORE_FAILURES = (RedisError, OSError, RuntimeError, AttributeError)


#: What an operator's client may be told of a failure, by the error's type or its first word.
CAUSES = MappingProxyType(
    {
        OutOfMemoryError: "the store is full",
        ReadOnlyError: "the store is read-only",
        BusyLoadingError: "the store loads its data",
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
        except NoScriptError:
            reply = await self.read("EVAL", script.text, *_keys(prefix), packed, *blobs)
        except STORE_FAILURES as error:
            raise _unavailable(script.verb, error) from error
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
        if not isinstance(self._client, RedisCluster):
            return [await self.read(*command)]
        try:
            replies = await self._call(*command, target_nodes=RedisCluster.PRIMARIES)
        except STORE_FAILURES as error:
            raise _unavailable(str(command[0]), error) from error
        return list(replies.values())

    async def listen(self, channel: str, heard: Callable[[bytes], None]) -> None:
        """Hand over what is published on a channel, until it fails. Raises LedgerUnavailable.

        What is published while nobody listens is lost, as it is on a connection that breaks.
        """
        listener = self._client.pubsub()
        try:
            await listener.subscribe(channel)
            async for message in listener.listen():
                if message["type"] == "message":
                    heard(message["data"])
        except STORE_FAILURES as error:
            raise _unavailable("SUBSCRIBE", error) from error
        finally:
            await listener.aclose()

    def _script(self, *command: str | int | bytes) -> Awaitable[Any]:
        return self._call(*command) if self._pipeline is None else self._pipeline.call(*command)

    async def _call(self, *command: str | int | bytes, **options: Any) -> Any:
        async with asyncio.timeout(CALL_SECONDS), self._free:
            return await self._client.execute_command(*command, **options)

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


def _unavailable(what: str, error: Exception) -> LedgerUnavailable:
    said = str(error) or type(error).__name__
    cause = CAUSES.get(type(error)) or CAUSES.get(said.split(" ")[0])
    return LedgerUnavailable(f"{what}: {said}", cause) if cause else LedgerUnavailable(f"{what}: {said}")


def connect(url: str) -> Store:
    """Make a store from an address, as `client_for` reads it; no I/O yet. Raises ValueError."""
    return Store(client_for(url), pipeline_for(url))
