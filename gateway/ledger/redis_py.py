"""What redis-py does for the gateway: groups with Sentinels, Clusters, and the addresses of TLS.

It is loaded (by name, in `clients` and `address`) only where the store's address asks for one of these, since that
takes a third of the time of a start, and 25 MB in every process.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import SplitResult, parse_qs, urlsplit

from redis.asyncio import RedisCluster
from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.ledger.address import Address
from gateway.ledger.bounds import COMMAND_SECONDS, CONNECT_SECONDS, SENTINEL_SECONDS
from gateway.ledger.failures import StoreError, StoreGone, StoreLate

#: What the clients raise when the store does not do its part. RuntimeError is a transport closed under a write. Of
#: the Cluster client: RedisClusterException, no RedisError, where no node can be reached; KeyError where it knows no
#: node of a slot; AttributeError of a connection that another task's refresh of the nodes closed while it opened.
FAILURES = (RedisError, RedisClusterException, RuntimeError, AttributeError, KeyError)
#: The first words of refusals that redis-py takes away.
WORDS = MappingProxyType(
    {NoScriptError: "NOSCRIPT", OutOfMemoryError: "OOM", ReadOnlyError: "READONLY", BusyLoadingError: "LOADING"}
)


class Group:
    """The servers of a Cluster, or those that Sentinels watch, as one client.

    Raises StoreError or OSError.
    """

    def __init__(self, url: str) -> None:
        if url.startswith("redis+cluster://"):
            cluster = RedisCluster.from_url(url.replace("redis+cluster://", "redis://", 1), **_bounds())
            self._everywhere: dict[str, Any] | None = {"target_nodes": RedisCluster.PRIMARIES}
            self._client: Any = cluster
            self._sentinel: Any = None
        else:
            self._everywhere = None
            self._client, self._sentinel = _watched(urlsplit(url))

    async def execute_command(self, *command: str | int | bytes, **options: Any) -> Any:
        """Send one command and await its reply."""
        try:
            return await self._client.execute_command(*command, **options)
        except FAILURES as error:
            raise _told(error) from error

    async def everywhere(self, *command: str | int | bytes) -> list[Any]:
        """Send one command to every primary."""
        if command[0] == "CONFIG":  # redis-py takes this name and what is to be done for one word
            command = (f"CONFIG {command[1]!s}", *command[2:])
        if self._everywhere is None:
            return [await self.execute_command(*command)]
        replies: dict[str, Any] = await self.execute_command(*command, **self._everywhere)
        return list(replies.values())

    async def listen(self, channel: str, heard: Callable[[bytes], None]) -> None:
        """Hand over what is published on a channel, until the connection ends."""
        listener = self._client.pubsub()
        try:
            await listener.subscribe(channel)
            async for message in listener.listen():
                if message["type"] == "message":
                    heard(message["data"])
        except FAILURES as error:
            raise _told(error) from error
        finally:
            await listener.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()


def read_address(url: str) -> Address:
    """Read the address of a single server with all the options that redis-py knows. Raises ValueError."""
    made = ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]  # redis-py has no types
    where = cast("Connection", made)
    path = where.path if isinstance(where, UnixDomainSocketConnection) else None
    tls = where.ssl_context.get if isinstance(where, SSLConnection) else None
    host, port = ("", 0) if path is not None else (where.host, int(where.port))
    return Address(host, port, path, where.username, where.password, int(where.db), tls)


def _bounds(seconds: float = COMMAND_SECONDS) -> dict[str, Any]:
    """Bound every wait; one repeat for a connection that the store closed while it lay in the pool."""
    return {
        "socket_connect_timeout": min(seconds, CONNECT_SECONDS),
        "socket_timeout": seconds,
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }


def _watched(parts: SplitResult) -> tuple[Any, Any]:
    """Make a client of a group's primary, wherever its Sentinels say that it is whenever a connection is made."""
    service = parts.path.strip("/")
    if not service:
        raise ValueError(f"{parts.geturl()!r} names no Sentinel service: redis+sentinel://host:port/SERVICE")
    hosts = [_host(each) for each in parts.netloc.rpartition("@")[2].split(",")]
    database = int(parse_qs(parts.query).get("db", ["0"])[0])
    options = {"username": parts.username, "password": parts.password, **_bounds()}
    sentinel = Sentinel(hosts, sentinel_kwargs=_bounds(SENTINEL_SECONDS))  # type: ignore[no-untyped-call]
    return sentinel.master_for(service, db=database, **options), sentinel  # redis-py has no types here


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _told(error: Exception) -> StoreError:
    """Say it in the words of the floor above: which kind, and the first word of a refusal."""
    said = str(error) or type(error).__name__
    word = WORDS.get(type(error)) if isinstance(error, RedisError) else None
    if word is None and isinstance(error, RedisTimeoutError):
        return StoreLate(said)
    if word is None and isinstance(error, RedisConnectionError | RedisClusterException):
        return StoreGone(said)
    return StoreError(said, word or said.partition(" ")[0])
