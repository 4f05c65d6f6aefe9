"""Servers that misbehave on purpose: each connection is one coroutine of the test's."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
import uvloop

from gateway.upstream.client import Outgoing, Upstream
from gateway.upstream.direct.exchange import DirectUpstream
from gateway.upstream.httpx_client import HttpxUpstream

Handler = Callable[["Visit"], Awaitable[None]]


@dataclass
class Visit:
    """One connection as the server has it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> bytes:
        """Read one whole request, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return head + await self.reader.readexactly(int(length or 0))

    async def say(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self, body: bytes = b"{}", head: bytes = b"", status: bytes = b"200 OK") -> None:
        length = str(len(body)).encode()
        await self.say(b"HTTP/1.1 " + status + b"\r\ncontent-length: " + length + b"\r\n" + head + b"\r\n" + body)


@dataclass
class Server:
    """A raw server; `visits` and `heard` tell how many connections and which bytes came."""

    handler: Handler
    url: str = ""
    visits: int = 0
    heard: bytearray = field(default_factory=bytearray)
    open: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        feed = reader.feed_data

        def listen(data: bytes) -> None:
            self.heard.extend(data)
            feed(data)

        reader.feed_data = listen  # type: ignore[method-assign]
        try:
            await self.handler(Visit(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client hung up, as some tests make it
        finally:
            writer.close()


BODY = b'{"model":"m","input":{}}'


def create(url: str, **more: object) -> Outgoing:
    return Outgoing("POST", f"{url}/v1/prediction", [(b"content-type", b"application/json")], BODY, **more)


async def nothing(visit: Visit) -> None:
    await visit.reader.read()


async def until_idle(value: Callable[[], int]) -> None:
    """Wait until a number has begun to grow and grows no more."""
    before = -1
    while not value() or value() != before:
        before = value()
        await asyncio.sleep(0.1)


Start = Callable[..., Awaitable[Server]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start servers that end with the test."""
    async with AsyncExitStack() as stack:
        tasks: list[asyncio.Task[None]] = []

        async def start_one(handler: Handler, tls: ssl.SSLContext | None = None) -> Server:
            server = Server(handler)

            async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                tasks.append(task)
                await server.serve(reader, writer)

            listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
            stack.callback(listener.close)
            port = listener.sockets[0].getsockname()[1]
            server.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
            return server

        yield start_one
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(params=[DirectUpstream, HttpxUpstream])
async def upstream(request: pytest.FixtureRequest) -> AsyncIterator[Upstream]:
    """Each of the two clients in turn: whatever is asked of one is asked of the other."""
    client: Upstream = request.param()
    yield client
    await client.aclose()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests on the loop that workers have: its transports differ in what a closed connection looks like."""
    return {"uvloop": uvloop.new_event_loop}
