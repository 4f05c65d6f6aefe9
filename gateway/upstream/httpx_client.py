"""The client for what is rare: httpx, over any of its transports."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from msgspec.structs import replace

from gateway.upstream.client import (
    CONNECT_SECONDS,
    IDLE_SECONDS,
    MOST_BYTES,
    Answer,
    NotSent,
    OutcomeUnknown,
    Outgoing,
    Stream,
)
from gateway.upstream.headers import Headers

WRITE_SECONDS = 10.0


class HttpxUpstream:
    """Calls upstream by httpx. Proxies and credentials of the environment are not used, and redirects are not
    followed: a credential goes to the account's address and nowhere else.

    What a tenant names is called over a PublicTransport; its NotPublic is a NotSent.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            transport=transport,
            headers={"user-agent": "eachlabs-gateway"},  # where the client sent none
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=IDLE_SECONDS),
        )

    async def send(self, request: Outgoing) -> Answer:
        """Send a request once and read the whole answer. Raises NotSent or OutcomeUnknown."""
        plain = [pair for pair in request.headers if pair[0].lower() != b"accept-encoding"]
        request = replace(request, headers=[*plain, (b"accept-encoding", b"gzip")])  # what httpx can decode
        async with self._exchange(request) as response:
            pieces, total = [], 0
            async for piece in response.aiter_bytes():
                pieces.append(piece)
                total += len(piece)
                if total > MOST_BYTES:
                    raise OutcomeUnknown(f"the answer is longer than {MOST_BYTES} bytes")
            headers = [pair for pair in _headers(response) if pair[0] != b"content-encoding"]
            return Answer(response.status_code, headers, b"".join(pieces))

    @asynccontextmanager
    async def stream(self, request: Outgoing) -> AsyncIterator[Stream]:
        """Send a request once, and hand over the answer while it arrives. Raises NotSent or OutcomeUnknown."""
        async with self._exchange(request) as response:
            yield Stream(response.status_code, _headers(response), response.aiter_raw())

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    @asynccontextmanager
    async def _exchange(self, request: Outgoing) -> AsyncIterator[httpx.Response]:
        """Send, and turn every failure into one of two facts: not a byte left, or perhaps one did."""
        sent = _SentMark(request.send_by)
        try:
            async with asyncio.timeout(request.answer_seconds):
                response = await self._client.send(self._build(request, sent), stream=True)
                try:
                    yield response
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise sent.explain(error) from error

    def _build(self, request: Outgoing, sent: "_SentMark") -> httpx.Request:
        timeout = httpx.Timeout(
            request.answer_seconds, connect=CONNECT_SECONDS, write=WRITE_SECONDS, pool=CONNECT_SECONDS
        )
        return self._client.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.body or None,
            timeout=timeout,
            extensions={"trace": sent},
        )


def _headers(response: httpx.Response) -> Headers:
    return [(name.lower(), value) for name, value in response.headers.raw]


class _SentMark:
    """Listens to the transport's own events: once it starts to send headers, a byte may have left."""

    def __init__(self, send_by: float) -> None:
        self._send_by = send_by
        self._sent = False
        self._head_sent = False

    async def __call__(self, event: str, _info: dict[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            # Raised here, before the first byte, it keeps a late create from being sent at all.
            if time.monotonic() > self._send_by:
                raise httpx.ConnectTimeout("the connection took too long; the request was not sent")
            self._sent = True
        elif event.endswith("send_request_headers.complete"):
            self._head_sent = True

    def explain(self, error: Exception) -> NotSent | OutcomeUnknown:
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        # A head that breaks the protocol is refused whole, before its first byte is written.
        refused_here = isinstance(error, httpx.LocalProtocolError) and not self._head_sent
        return OutcomeUnknown(what) if self._sent and not refused_here else NotSent(what)
