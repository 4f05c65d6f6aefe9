"""An exchange: one request and its answer on the hot routes, without a framework between."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway.domain.errors import Code, Refused
from gateway.upstream.headers import Headers

MOST_BODY_BYTES = 2**20
#: Where a body carries a file.
_MOST_UPLOAD_BYTES = MappingProxyType({"/v1/audio/transcriptions": 25 * 2**20})
MOST_DISCARDED_BYTES = 32 * 2**20
BODY_SECONDS = 60.0
MOST_WAIT_SECONDS = 60
_WAIT = re.compile(rb"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)


class RequestHead:
    """What a request says before its body; header names come in lower case from the server."""

    __slots__ = ("headers", "path", "request_id", "scope")

    def __init__(self, scope: Scope) -> None:
        self.headers: Headers = scope["headers"]
        self.path: str = scope["path"]
        self.request_id: str = scope["state"]["request_id"]
        self.scope = scope

    def header(self, name: bytes) -> bytes | None:
        """Give the first value of a header (name in lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def target(self) -> str:
        """Path and query, of a path that has only characters that stand for themselves."""
        query = self.scope["query_string"].decode("latin-1")
        return self.path + (f"?{query}" if query else "")

    def base_url(self, public_url: str | None) -> str:
        """Give the address under which the client sees the gateway, without a slash at its end."""
        if public_url:
            return public_url.rstrip("/")
        host = (self.header(b"host") or b"localhost").decode("latin-1")
        return f"{self.scope.get('scheme', 'http')}://{host}"

    def note(self, **facts: Any) -> None:
        """Add facts to the request's line in the log."""
        self.scope["state"]["facts"].update(facts)


class Exchange(RequestHead):
    """Reads the request once and answers it once."""

    __slots__ = ("_receive", "_send", "last")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope)
        self.last: bool = scope["state"]["last"]
        self._receive = receive
        self._send = send

    async def body(self) -> bytes:
        """Read the whole body. Raises Refused: `body_too_large`, or `invalid_json` for one that does not arrive."""
        return await read_body(self.scope, self._receive)

    async def answer(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Send the whole answer."""
        head = [*headers, (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": head})
        await self._send({"type": "http.response.body", "body": body})

    async def hung_up(self) -> None:
        """Wait until the client is gone; of a request without a body, or whose body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def encode_headers(headers: Mapping[str, str]) -> Headers:
    """Turn named values into a header list."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


@asynccontextmanager
async def hang_up(exchange: Exchange) -> AsyncIterator[Callable[[float], Awaitable[bool]]]:
    """Watch for the client's hanging up; gives a function that waits so many seconds, and tells whether it did."""
    watch = asyncio.ensure_future(exchange.hung_up())

    async def gone(seconds: float) -> bool:
        done, _ = await asyncio.wait((watch,), timeout=seconds)
        return bool(done)

    try:
        yield gone
    finally:
        watch.cancel()


def preferred_wait(prefer: bytes | None) -> int | None:
    """Read `wait` of a Prefer header (RFC 7240): how many seconds to wait, at most MOST_WAIT_SECONDS."""
    found = _WAIT.search(prefer or b"")
    return min(int(found[1]), MOST_WAIT_SECONDS) if found else None


def most_body_bytes(scope: Scope) -> int:
    """Give the most bytes that a request's body may have, by its path."""
    return _MOST_UPLOAD_BYTES.get(scope["path"], MOST_BODY_BYTES)


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Read a whole body, bounded in length and time.

    Raises Refused: `body_too_large`, or `invalid_json` for one that does not arrive.
    """
    most = most_body_bytes(scope)
    declared = dict(scope["headers"]).get(b"content-length", b"")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            if declared.isdigit() and int(declared) > most:
                await _discard(receive)
                raise _too_large(most)
            return await _read(receive, most)
    except TimeoutError as error:
        raise Refused(
            Code.INVALID_JSON,
            f"the body did not arrive within {BODY_SECONDS:g} s",
            headers={"Connection": "close"},
        ) from error


async def _read(receive: Receive, most: int) -> bytes:
    pieces, total = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(Code.INVALID_JSON, "the client hung up in the middle of the body")
        pieces.append(message.get("body", b""))
        total += len(pieces[-1])
        more = message.get("more_body", False)
        if total > most:
            if more:
                await _discard(receive)
            raise _too_large(most)
        if not more:
            return b"".join(pieces)


async def _discard(receive: Receive) -> None:
    """Read on for a while and keep nothing: a client that is cut off while it sends never sees the answer."""
    total = 0
    while total < MOST_DISCARDED_BYTES:
        message = await receive()
        total += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _too_large(most: int) -> Refused:
    return Refused(
        Code.BODY_TOO_LARGE,
        f"the body is longer than {most} bytes; send a shorter one, or the address of an uploaded file",
        headers={"Connection": "close"},
    )
