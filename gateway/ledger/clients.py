"""Clients: what redis-py has for one server, a group with Sentinels and a Cluster, each with every wait bounded."""

from collections.abc import Awaitable
from typing import Any, Protocol
from urllib.parse import SplitResult, parse_qs, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as StoreConnectionError

#: The whole of a call: its turn, a connection, the command, its reply, and a repeat on a connection that was closed.
CALL_SECONDS = 0.95
CONNECT_SECONDS = 0.3
COMMAND_SECONDS = 0.8
#: All of a group may stand still but one, and that one is still asked within the time of a call.
SENTINEL_SECONDS = 0.25


class Client(Protocol):
    """What the store asks of a client; redis-py's single and cluster clients both have it."""

    def execute_command(self, *_args: Any, **_options: Any) -> Awaitable[Any]:
        """Send one command and await its reply."""
        ...

    def pubsub(self) -> Any:
        """Make a listener of channels, with a connection of its own."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Close every connection."""
        ...


def client_for(url: str) -> Client:
    """Make a client for `redis://`, `rediss://`, `unix://`, `redis+cluster://` or `redis+sentinel://`; no I/O yet.

    A Sentinel address is `redis+sentinel://host:port,host:port/SERVICE[?db=N]`. Raises ValueError for another
    scheme.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "redis" | "rediss" | "unix":
            return Redis.from_url(url, **_bounds())
        case "redis+cluster":
            return RedisCluster.from_url(url.replace("redis+cluster://", "redis://", 1), **_bounds())
        case "redis+sentinel":
            return _Watched(parts)
    raise ValueError(
        f"not a store's address: {url!r}; use redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://"
    )


def _bounds(seconds: float = COMMAND_SECONDS) -> dict[str, Any]:
    """Bound every wait; one repeat for a connection that the store closed while it lay in the pool."""
    return {
        "socket_connect_timeout": min(seconds, CONNECT_SECONDS),
        "socket_timeout": seconds,
        "retry": Retry(NoBackoff(), 1, supported_errors=(StoreConnectionError,)),
    }


class _Watched:
    """The primary of a group, wherever its Sentinels say that it is whenever a connection is made."""

    def __init__(self, parts: SplitResult) -> None:
        service = parts.path.strip("/")
        if not service:
            raise ValueError(f"{parts.geturl()!r} names no Sentinel service: redis+sentinel://host:port/SERVICE")
        hosts = [_host(each) for each in parts.netloc.rpartition("@")[2].split(",")]
        database = int(parse_qs(parts.query).get("db", ["0"])[0])
        options = {"username": parts.username, "password": parts.password, **_bounds()}
        self._sentinel = Sentinel(hosts, sentinel_kwargs=_bounds(SENTINEL_SECONDS))  # type: ignore[no-untyped-call]
        self._primary = self._sentinel.master_for(service, db=database, **options)  # redis-py has no types here

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await self._primary.execute_command(*args, **options)

    def pubsub(self) -> Any:
        return self._primary.pubsub()

    async def aclose(self) -> None:
        await self._primary.aclose()
        await self._sentinel.aclose()


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)
