"""The store: one connection pool to Redis or Valkey, and the one way in which scripts are run on it."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol, cast
from urllib.parse import parse_qs, urlsplit

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import NoScriptError, RedisError

from gateway.ledger.scripts import Script

CONNECT_SECONDS = 0.3
COMMAND_SECONDS = 0.8
#: The whole of a call: a free connection, the command, its reply, and a repeat on a connection that was closed.
CALL_SECONDS = 0.95
CONNECTIONS = 32
#: A command on the node that has the script's keys.
FORWARD = "return redis.call(unpack(ARGV))"
#: What the client raises when the store does not do its part. RuntimeError is a transport closed under a write,
#: AttributeError a connection of the Cluster client that another task's refresh of the nodes closed while it opened.
STORE_FAILURES = (RedisError, OSError, RuntimeError, AttributeError)


class LedgerUnavailable(Exception):
    """The store did not answer, or could not do what was asked; whether it ran is not known."""


class Client(Protocol):
    """What the ledger asks of a Redis client; redis-py's single and cluster clients both have it."""

    def execute_command(self, *_args: Any, **_options: Any) -> Awaitable[Any]:
        """Send one command and await its reply."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Close every connection."""
        ...


class Store:
    """Runs scripts and reads on one Redis, Valkey, Sentinel group or Cluster; every wait is bounded."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def run(self, script: Script, prefix: str, request: object, *blobs: bytes) -> list[Any]:
        """Run a verb on the account's keys; the request travels as MessagePack, `blobs` (which the store's
        MessagePack has no type for) as arguments of their own.

        Safe to repeat after a lost reply, since every verb is a no-op the second time. Raises LedgerUnavailable.
        """
        packed = msgspec.msgpack.encode(request)
        try:
            reply = await self._call("EVALSHA", script.sha, *_keys(prefix), packed, *blobs)
        except NoScriptError:
            reply = await self.read("EVAL", script.text, *_keys(prefix), packed, *blobs)
        except STORE_FAILURES as error:
            raise LedgerUnavailable(f"{script.verb}: {_said(error)}") from error
        return cast("list[Any]", reply)

    async def read(self, *command: str | int | bytes) -> Any:
        """Run one plain command whose first argument after its name is a key. Raises LedgerUnavailable."""
        try:
            return await self._call(*command)
        except STORE_FAILURES as error:
            raise LedgerUnavailable(f"{command[0]!r}: {_said(error)}") from error

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
            raise LedgerUnavailable(f"{command[0]!r}: {_said(error)}") from error
        return list(replies.values())

    async def _call(self, *command: str | int | bytes, **options: Any) -> Any:
        async with asyncio.timeout(CALL_SECONDS):
            return await self._client.execute_command(*command, **options)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


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


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def connect(url: str) -> Store:
    """Make a store from `redis://`, `rediss://`, `unix://`, `redis+cluster://` or `redis+sentinel://`; no I/O yet.

    A Sentinel address is `redis+sentinel://host:port,host:port/SERVICE[?db=N]`. Raises ValueError for another
    scheme.
    """
    scheme = urlsplit(url).scheme
    if scheme == "redis+cluster":
        plain = url.replace("redis+cluster://", "redis://", 1)
        return Store(RedisCluster.from_url(plain, **_timeouts()))
    if scheme == "redis+sentinel":
        return Store(_sentinel_client(url))
    if scheme not in ("redis", "rediss", "unix"):
        raise ValueError(
            f"not a store's address: {url!r}; use redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://"
        )
    pool = BlockingConnectionPool.from_url(url, max_connections=CONNECTIONS, timeout=COMMAND_SECONDS, **_timeouts())
    return Store(Redis.from_pool(pool))  # which closes the pool with the client


def _timeouts() -> dict[str, Any]:
    """Bound every wait; one repeat for a connection that the store closed while it lay in the pool."""
    return {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": COMMAND_SECONDS,
        "retry": Retry(NoBackoff(), 1, supported_errors=(StoreConnectionError,)),
    }


def _sentinel_client(url: str) -> Client:
    parts = urlsplit(url)
    hosts = [(h.rpartition(":")[0], int(h.rpartition(":")[2])) for h in parts.netloc.rpartition("@")[2].split(",")]
    service = parts.path.strip("/")
    if not service:
        raise ValueError(f"{url!r} names no Sentinel service: write redis+sentinel://host:port/SERVICE")
    database = int(parse_qs(parts.query).get("db", ["0"])[0])
    sentinel = Sentinel(hosts, **_timeouts())  # type: ignore[no-untyped-call]  # redis-py has no types here
    options: dict[str, Any] = {"username": parts.username, "password": parts.password, **_timeouts()}
    return cast("Client", sentinel.master_for(service, db=database, **options))
