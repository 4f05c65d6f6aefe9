"""An app that tells by which way requests came to it, and a server for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from gateway.server.reply import Reply
from gateway.server.serving import bind, serve_app
from gateway.upstream.headers import Headers

Ask = Callable[[Scope, Headers], bytes | None]
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
    """Answers `/now…` at once and tells every request by which way it came; `/slow` waits to be let go."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    def at_once(self, scope: Scope, more: Headers) -> bytes | None:
        if not scope["path"].startswith("/now"):
            return None
        self.came.append(("at once", scope["path"]))
        return Reply(200, [(b"x-way", b"at once")], f"{scope['scheme']} {scope['path']}".encode()).written(more)

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


@asynccontextmanager
async def served(way: Way, at_once: Ask | None) -> AsyncIterator[int]:
    listener, stop, ready = bind("127.0.0.1", 0), asyncio.Event(), asyncio.Event()
    number = listener.getsockname()[1]
    serving = asyncio.ensure_future(serve_app(way, [listener], stop, ready.set, at_once))
    await ready.wait()
    yield number
    stop.set()
    way.go.set()
    await asyncio.wait_for(serving, 10)
