"""The client: each request is sent once, over one connection, and every wait is bounded by the request's own time."""

import asyncio
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import certifi

from gateway.upstream.client import MOST_BYTES, Answer, NotSent, OutcomeUnknown, Outgoing, Stream
from gateway.upstream.direct.connection import Connection
from gateway.upstream.direct.incoming import Broken, Incoming
from gateway.upstream.direct.pool import MOST_OPEN, Pool
from gateway.upstream.direct.writing import Origin, read_origin, split_url, write_request
from gateway.upstream.headers import Headers

_GZIP = 16 + zlib.MAX_WBITS


def verifying() -> ssl.SSLContext:
    """Make what verifies servers by the public certificate authorities, as httpx does."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


class DirectUpstream:
    """Calls upstream over connections of its own. No redirect is followed, no cookie kept, and no proxy used, be it
    one of the environment or another.

    A kept connection that the server has closed is not used; one that closes while a request is on its way leaves the
    outcome unknown, and the request is not sent again. `tls` in place of the public certificate authorities.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext] = verifying, most_open: int = MOST_OPEN) -> None:
        self._pool = Pool(tls, most_open)

    async def send(self, request: Outgoing) -> Answer:
        """Send a request once and read the whole answer. Raises NotSent or OutcomeUnknown."""
        seconds = request.answer_seconds
        by = time.monotonic() + seconds
        origin, written, incoming = _prepare(request, piecewise=False)
        connection = await self._connect(request, origin, by)
        try:
            connection.start(written, incoming, by)
            del request, written  # thousands may wait for minutes, and nothing is sent again
            await connection.waiting()
            connection.check()
            return Answer(incoming.status, *_unpacked(incoming))
        except Broken as error:
            raise OutcomeUnknown(str(error)) from error
        except TimeoutError as error:
            raise OutcomeUnknown(_late(seconds)) from error
        finally:
            self._pool.give(origin, connection, lasting=incoming.whole and incoming.lasting)

    @asynccontextmanager
    async def stream(self, request: Outgoing) -> AsyncIterator[Stream]:
        """Send a request once, and hand over the answer while it arrives. Raises NotSent or OutcomeUnknown."""
        by = time.monotonic() + request.answer_seconds
        prepared = _prepare(request, piecewise=True)
        connection = await self._connect(request, prepared.origin, by)
        incoming = prepared.incoming
        try:
            # It ends what its reader does too: one that waits for a client which takes nothing would wait for ever.
            async with asyncio.timeout(by - time.monotonic()) as timeout:
                connection.start(prepared.written, incoming, None)
                while not incoming.has_head:
                    await connection.progress()
                yield Stream(incoming.status, incoming.headers, _pieces(connection, incoming))
        except Broken as error:
            raise OutcomeUnknown(str(error)) from error
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise OutcomeUnknown(_late(request.answer_seconds)) from error
        finally:
            self._pool.give(prepared.origin, connection, lasting=incoming.whole and incoming.lasting)

    async def aclose(self) -> None:
        """Close every connection."""
        self._pool.close()

    async def _connect(self, request: Outgoing, origin: Origin, by: float) -> Connection:
        """Take a connection, until then. Raises NotSent."""
        connection = await self._pool.take(origin, by)
        if time.monotonic() > request.send_by:
            self._pool.give(origin, connection, lasting=True)
            raise NotSent("the connection took too long; the request was not sent")
        return connection


class _Prepared(NamedTuple):
    origin: Origin
    written: bytes
    incoming: Incoming


def _prepare(request: Outgoing, *, piecewise: bool) -> _Prepared:
    """Write the request, and make what will read its answer. Raises NotSent."""
    place, target = split_url(request.url)
    origin, host = read_origin(place)
    written = write_request(request, target, host, own_coding=not piecewise)
    most = float("inf") if piecewise else MOST_BYTES
    return _Prepared(origin, written, Incoming(bodyless=request.method == "HEAD", most=most))


def _late(seconds: float) -> str:
    return f"Timeout: not done within {seconds:g} s"


async def _pieces(connection: Connection, incoming: Incoming) -> AsyncIterator[bytes]:
    """Give the body as it comes. Raises OutcomeUnknown where it breaks off."""
    try:
        while incoming.pieces or not incoming.whole:
            if not incoming.pieces:
                await connection.progress()
                continue
            piece = incoming.pieces.popleft()
            if not incoming.pieces:
                connection.taken()
            yield piece
    except Broken as error:
        raise OutcomeUnknown(str(error)) from error


def _unpacked(incoming: Incoming) -> tuple[Headers, bytes]:
    """Undo the coding that was asked for. Raises OutcomeUnknown for another, and for one that cannot be undone."""
    body = incoming.pieces[0] if len(incoming.pieces) == 1 else b"".join(incoming.pieces)
    if b"content-encoding" not in dict(incoming.headers):
        return incoming.headers, body
    codings = {value.lower() for name, value in incoming.headers if name == b"content-encoding"}
    headers = [pair for pair in incoming.headers if pair[0] != b"content-encoding"]
    if codings == {b"identity"} or not body:
        return headers, body
    if not codings <= {b"gzip", b"x-gzip"}:
        raise OutcomeUnknown(f"the answer comes in a coding that was not asked for: {sorted(codings)}")
    return headers, _gunzip(body)


def _gunzip(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(packed, MOST_BYTES + 1)
    except zlib.error as error:
        raise OutcomeUnknown(f"the answer cannot be unpacked: {error}") from error
    if len(body) > MOST_BYTES:
        raise OutcomeUnknown(f"the answer is longer than {MOST_BYTES} bytes")
    if not unpacker.eof:
        raise OutcomeUnknown("the answer cannot be unpacked: it ends too soon")
    return body
