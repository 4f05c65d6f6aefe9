"""A tenant's endpoint on a real socket, and a courier between it and the sandbox; the clock is in the test's hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from settlement.conftest import Start, World, start

from gateway.delivery import courier as module
from gateway.delivery.courier import Courier
from gateway.delivery.signing import Signer
from gateway.domain.secret import Secret
from gateway.domain.webhook import Webhook
from gateway.upstream.guarded import PublicTransport
from gateway.upstream.httpx_client import HttpxUpstream

__all__ = ["start"]

SECRET = Secret(["s" * 32])


@dataclass
class Endpoint:
    """Takes webhooks and answers with `statuses` in order, then 200; with status 0 it never answers."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    tail: bytes = b"ok"

    @property
    def webhook(self) -> Webhook:
        return Webhook(f"http://127.0.0.1:{self.port}/hook?key=1", "qS3cret")

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            pairs = (line.split(": ", 1) for line in lines if line)
            head = {name.lower(): value for name, value in pairs}
            assert first == "POST /hook?key=1 HTTP/1.1"
            self.got.append((head, await reader.readexactly(int(head["content-length"]))))
            status = self.statuses.pop(0) if self.statuses else 200
            if not status:
                await reader.read()
            writer.write(f"HTTP/1.1 {status} X\r\nLocation: /hook\r\nConnection: close\r\n\r\n".encode() + self.tail)
        finally:
            writer.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    server = await asyncio.start_server(endpoint.handle, "127.0.0.1", 0)
    endpoint.port = server.sockets[0].getsockname()[1]
    async with server:
        yield endpoint


async def until(true: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is true."""
    give_up = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < give_up, found
        await asyncio.sleep(0.01)


@dataclass
class Post:
    """A world, and a courier that delivers in it."""

    world: World
    courier: Courier

    async def round(self) -> int:
        """Take what is due and try each once; gives how many that were."""
        taken = await self.world.bench.outbox.take(64, module.LEASE_SECONDS)
        await asyncio.gather(*(self.courier.deliver(each) for each in taken))
        return len(taken)

    def counted(self, result: str) -> float:
        labels = {"tenant": "t", "result": result}
        return self.world.registry.get_sample_value("gateway_webhook_deliveries_total", labels) or 0

    def alerts_counted(self, scope: str, result: str) -> float:
        labels = {"scope": scope, "result": result}
        return self.world.registry.get_sample_value("gateway_alert_deliveries_total", labels) or 0


@pytest.fixture
async def post(start: Start, endpoint: Endpoint) -> AsyncIterator[Post]:
    world = await start(public_url="http://127.0.0.1:1", webhook_retry_seconds=0)
    client = HttpxUpstream(PublicTransport([f"127.0.0.1:{endpoint.port}"]))
    bench = world.bench
    ways = world.upstream, client, world.client, Signer(SECRET), world.telemetry
    yield Post(world, Courier(bench.outbox, bench.views, *ways))
    await client.aclose()
