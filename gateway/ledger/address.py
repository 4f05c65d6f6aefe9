"""Addresses of a single server: where it is, and what is said to it first."""

import ssl
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

SINGLE = ("redis", "rediss", "unix")
_PORT = 6379


class Address(NamedTuple):
    """A server behind a Unix socket at `path`, or at `host` and `port`, by `tls` where that makes a context."""

    host: str
    port: int
    path: str | None
    username: str | None
    password: str | None
    database: int
    tls: Callable[[], ssl.SSLContext] | None = None

    def greeting(self) -> list[tuple[str, ...]]:
        """Say who this is, and which database is meant."""
        said: list[tuple[str, ...]] = []
        if self.password:
            said.append(("AUTH", self.username, self.password) if self.username else ("AUTH", self.password))
        if self.database:
            said.append(("SELECT", str(self.database)))
        return said


def read_address(url: str) -> Address:
    """Read `redis://[[user]:password@]host[:port][/database]` or `unix://[…@]/path[?db=database]`.

    What has more to it (TLS and its options) is read by redis-py, which is loaded for that. Raises ValueError.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    if parts.scheme == "rediss" or set(options) - {"db"}:
        return cast("Address", import_module("gateway.ledger.redis_py").read_address(url))
    path = unquote(parts.path)
    unix = parts.scheme == "unix"
    number = options.get("db", ["" if unix else path.strip("/")])[0] or "0"
    if not number.isdigit():
        raise ValueError(f"{number!r} is not the number of a database")
    host = "" if unix else unquote(parts.hostname or "localhost")
    return Address(host, parts.port or _PORT, path if unix else None, *_credentials(parts), int(number))


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    return (
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )
