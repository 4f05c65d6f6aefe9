"""Heads of requests that no client means well: each costs its sender the connection, and the gateway little."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.server import protocol
from gateway.server.serving import bind, serve_app


async def app(scope: dict, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener, stop, ready = bind("127.0.0.1", 0), asyncio.Event(), asyncio.Event()
    number = listener.getsockname()[1]
    serving = asyncio.ensure_future(serve_app(app, [listener], stop, ready.set))  # type: ignore[arg-type]
    await ready.wait()
    yield number
    stop.set()
    await serving


async def said(port: int, *pieces: bytes) -> bytes:
    """Send pieces until the server closes or all are sent; gives all that it answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    except (ConnectionError, BrokenPipeError):
        return b""
    finally:
        writer.close()


async def test_a_request_with_usual_headers_passes(port: int) -> None:
    head = b"".join(b"x-%d: v\r\n" % n for n in range(90))
    assert b"204" in await said(port, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" + head + b"\r\n")


async def test_a_head_with_too_many_headers_is_refused(port: int) -> None:
    head = b"".join(b"x-%d: v\r\n" % n for n in range(protocol.MOST_HEADERS + 1))
    assert b"400" in await said(port, b"GET / HTTP/1.1\r\n" + head + b"\r\n")


async def test_a_header_without_end_is_cut_off_after_its_bound(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nx-long: ")
    sent = 0
    try:
        while sent < 64 * protocol.MOST_HEAD_BYTES and not reader.at_eof():
            writer.write(b"a" * 16384)
            await asyncio.wait_for(writer.drain(), 5)
            sent += 16384
    except ConnectionError:
        pass
    writer.close()
    assert sent < 64 * protocol.MOST_HEAD_BYTES


async def test_half_a_head_is_waited_for_only_so_long(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    assert await said(port, b"GET / HTTP/1.1\r\nx-half") == b""


async def test_every_head_of_a_kept_connection_has_the_bounds_anew(port: int) -> None:
    head = b"x: " + b"a" * 40_000 + b"\r\n\r\n"
    request = b"GET / HTTP/1.1\r\nhost: a\r\n" + head
    last = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" + head
    assert (await said(port, request, request, last)).count(b"204") == 3


def test_the_socket_is_bound_for_small_answers() -> None:
    listener = bind("127.0.0.1", 0)
    assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    listener.close()
