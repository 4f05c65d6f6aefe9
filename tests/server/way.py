"""An app that tells by which way requests came to it, and a server for it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from gateway.server.protocol import AtOnce
from gateway.server.reply import Reply, Response
from gateway.server.serving import bind, serve_app

HEAD = b"host: gateway\r\nx-api-key: k\r\n"

#: Headers and pieces of answers that are not sent as a whole.
PIECES: dict[str, tuple[list[tuple[bytes, bytes]], list[bytes]]] = {
    "/length": ([(b"Content-Length", b"6")], [b"abc", b"def"]),
    "/lower": ([(b"content-length", b"6")], [b"abc", b"def"]),
    "/chunks": ([], [b"abc", b"", b"def"]),
    "/nothing": ([(b"content-length", b"0")], [b""]),
    "/short": ([(b"content-length", b"9")], [b"abc"]),
    "/long": ([(b"content-length", b"1")], [b"abc"]),
    "/headless": ([(b"content-length", b"3"), (b"x", b"a\nb")], [b"abc"]),
    "/only-a-head": ([(b"content-length", b"3")], []),
    "/closes": ([(b"connection", b"close"), (b"content-length", b"3")], [b"abc"]),
}


async def in_pieces(send: Send, headers: list[tuple[bytes, bytes]], pieces: list[bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for left, piece in zip(reversed(range(len(pieces))), pieces, strict=True):
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})


class Way:
    """Answers `/now…` at once and tells every request by which way it came; `/slow` waits to be let go.

    So does `/later…`, which needs no app for it; `/later/fault` then fails.
    """

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    def at_once(self, scope: Scope) -> Response | Awaitable[Response] | None:
        if scope["path"].startswith("/later"):
            return self._later(scope)
        return self._said(scope, "at once") if scope["path"].startswith("/now") else None

    async def _later(self, scope: Scope) -> Response:
        self.begun.set()
        await self.go.wait()
        if scope["path"] == "/later/fault":
            raise RuntimeError("this cannot be answered")
        return self._said(scope, "later")

    def _said(self, scope: Scope, way: str) -> Response:
        self.came.append((way, scope["path"]))
        reply = Reply(200, [(b"x-way", way.encode())], f"{scope['scheme']} {scope['path']}".encode())
        return Response(reply, [(b"x-own", b"1")])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.came.append(("app", scope["path"]))
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        if scope["path"] == "/slow":
            self.begun.set()
            await self.go.wait()
        if scope["path"] in PIECES:
            await in_pieces(send, *PIECES[scope["path"]])
            return
        said = f"{scope['scheme']} {scope['path']}".encode() + body
        headers = [(b"x-way", b"app"), (b"content-length", b"%d" % len(said))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said})


class Wire:
    """A connection to the server, told in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> "Wire":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, raw: bytes) -> tuple[bytes, bytes]:
        self.writer.write(raw)
        return await self.answer()

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)

    async def answer(self) -> tuple[bytes, bytes]:
        head = await self.head()
        length = re.search(rb"content-length: (\d+)", head)
        return head, await self.reader.readexactly(int(length[1]) if length else 0)

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), 10)


@asynccontextmanager
async def served(way: Way, at_once: AtOnce | None, *, let_go: bool = True) -> AsyncIterator[int]:
    """Serve until the block ends; `/slow` and `/later` are let go then."""
    listener, stop, ready = bind("127.0.0.1", 0), asyncio.Event(), asyncio.Event()
    number = listener.getsockname()[1]
    serving = asyncio.ensure_future(serve_app(way, [listener], stop, ready.set, at_once))
    await ready.wait()
    yield number
    stop.set()
    if let_go:
        way.go.set()
    await asyncio.wait_for(serving, 10)
