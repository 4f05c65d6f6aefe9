"""A sandbox on a real socket, its clock in the test's hand, and a receiver of webhooks."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from gateway.sandbox import ManualClock, SandboxConfig, serve

KLEIN = {"prompt": "a cat", "image_urls": ["https://example.com/cat.jpg"]}


@dataclass
class Sandbox:
    """A running sandbox and a client of it."""

    url: str
    clock: ManualClock
    client: httpx.AsyncClient

    async def create(self, key: str = "k1", **body: object) -> httpx.Response:
        whole = {"model": "flux-2-klein-4b-base-edit", "input": KLEIN} | body
        return await self.client.post("/v1/prediction", json=whole, headers={"X-API-Key": key})

    async def created(self, key: str = "k1", **body: object) -> str:
        answer = await self.create(key, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()["predictionID"]

    async def get(self, path: str, key: str = "k1", **params: object) -> httpx.Response:
        return await self.client.get(path, params=params, headers={"X-API-Key": key})

    async def poll(self, prediction_id: str) -> dict:
        answer = await self.get(f"/v1/prediction/{prediction_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def cancel(self, prediction_id: str) -> httpx.Response:
        path = f"/v1/prediction/{prediction_id}/cancel"
        return await self.client.post(path, headers={"X-API-Key": "k1"})

    async def faults(self, **queues: list[str]) -> None:
        answer = await self.client.post("/sandbox/faults", json=queues)
        assert answer.status_code == 200, answer.text

    async def books(self) -> dict:
        return (await self.client.get("/sandbox/books")).json()


Start = Callable[..., Awaitable[Sandbox]]


@asynccontextmanager
async def running(config: SandboxConfig) -> AsyncIterator[Sandbox]:
    clock, stop = ManualClock(), asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(config, clock=clock, stop=stop, on_ready=ready.set_result))
    url = await ready
    async with httpx.AsyncClient(
        base_url=url, trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ) as client:
        yield Sandbox(url, clock, client)
    stop.set()
    await task


@pytest.fixture
def session(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Sandbox]]:
    """Run a sandbox from its start to its stop; every one of a test remembers by the same file."""
    return lambda **settings: running(SandboxConfig(state=tmp_path / "data" / "sandbox.jsonl", **settings))


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start sandboxes with the given settings; they stop after the test."""
    async with AsyncExitStack() as stack:

        async def start_one(**settings: object) -> Sandbox:
            return await stack.enter_async_context(running(SandboxConfig(**settings)))

        yield start_one


@pytest.fixture
async def sandbox(start: Start) -> Sandbox:
    return await start()


@dataclass
class Receiver:
    """Takes webhooks; answers with `statuses` in order, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: asyncio.Queue[tuple[str, bytes]] = field(default_factory=asyncio.Queue)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        self.received.put_nowait((head, body))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with server:
        yield receiver
