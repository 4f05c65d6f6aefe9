"""The probe of input images, over sockets: what it asks, what it takes, and what it gives up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from prometheus_client import CollectorRegistry

from gateway.telemetry import Telemetry
from gateway.upstream.guarded import PublicTransport
from gateway.upstream.httpx_client import HttpxUpstream
from gateway.upstream.probe import (
    BURST,
    MOST_AT_ONCE,
    MOST_BYTES,
    MOST_IMAGES,
    MOST_OF_A_TENANT,
    PER_SECOND,
    ImageProbe,
)

from .conftest import Handler, Server, Start, Visit
from .test_image_header import EXIF, FRAME, PNG

PIXELS = 1024 * 768


class Bench:
    """A probe that may reach one server on this machine."""

    def __init__(self, server: Server, seconds: float) -> None:
        self.registry = CollectorRegistry()
        self.url = server.url
        self.server = server
        self.client = HttpxUpstream(PublicTransport([server.url.removeprefix("http://")]))
        self.now = 1000.0
        self.probe = ImageProbe(self.client, Telemetry(self.registry), seconds, lambda: self.now)

    async def look(self, *urls: str, tenant: str = "t") -> Sequence[int | None]:
        return await self.probe.pixels(tenant, urls or [self.url])

    def results(self) -> dict[str, float]:
        samples = [sample for family in self.registry.collect() for sample in family.samples]
        return {s.labels["result"]: s.value for s in samples if s.name == "gateway_image_probes_total"}


Make = Callable[..., "asyncio.Future[Bench]"]


@pytest.fixture
async def make(start: Start) -> AsyncIterator[Make]:
    made: list[Bench] = []

    async def one(handler: Handler, seconds: float = 20) -> Bench:
        made.append(Bench(await start(handler), seconds))
        return made[-1]

    yield one
    for bench in made:
        bench.probe.close()
        await bench.client.aclose()


def serving(body: bytes, status: bytes = b"206 Partial Content", head: bytes | None = None) -> Handler:
    if head is None:
        head = b"content-range: bytes 0-%d/9999999\r\n" % (len(body) - 1)

    async def serve(visit: Visit) -> None:
        await visit.request()
        await visit.answer(body, head, status)

    return serve


async def test_a_size_is_read_from_the_part_that_is_asked_for_and_no_more(make: Make) -> None:
    bench = await make(serving(PNG + bytes(100)))
    assert await bench.look() == [PIXELS]
    asked = bytes(bench.server.heard).lower()
    assert b"range: bytes=0-65535\r\n" in asked and asked.startswith(b"get / http/1.1\r\n")
    assert b"x-api-key" not in asked and b"authorization" not in asked and b"cookie" not in asked
    assert bench.results() == {"known": 1}


async def test_a_server_that_sends_everything_is_left_after_the_beginning(make: Make) -> None:
    left = asyncio.Event()

    async def endless(visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n" + b"\xff\xd8" + EXIF + FRAME)
        try:
            while True:
                await visit.say(bytes(65536))
        finally:
            left.set()

    bench = await make(endless)
    assert await bench.look() == [PIXELS]
    await asyncio.wait_for(left.wait(), 20)


@pytest.mark.parametrize(
    "handler",
    [
        serving(b"<html>Forbidden</html>", b"403 Forbidden", b""),
        serving(PNG, b"302 Found", b"location: http://127.0.0.1:1/\r\n"),
        serving(PNG, b"206 Partial Content", b"content-range: bytes 100-200/9999\r\n"),
        serving(PNG, b"206 Partial Content", b""),
        serving(PNG, b"200 OK", b"content-encoding: gzip\r\n"),
        serving(b"", b"200 OK", b""),
        serving(b"text", b"200 OK", b"content-type: image/png\r\n"),
    ],
)
async def test_what_is_no_beginning_of_an_image_has_no_size(make: Make, handler: Handler) -> None:
    bench = await make(handler)
    assert await bench.look() == [None]
    assert bench.results() == {"unknown": 1}


async def test_an_answer_that_does_not_come_in_time_is_not_waited_for(make: Make) -> None:
    async def dripping(visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n" + PNG)
        while True:
            await visit.say(b"\0")
            await asyncio.sleep(0.02)

    bench = await make(dripping, seconds=0.3)
    assert await bench.look() == [None]
    assert bench.results() == {"failed": 1}


async def test_several_images_are_looked_at_together_and_told_in_their_order(make: Make) -> None:
    both = asyncio.Barrier(2)

    async def wait(visit: Visit) -> None:
        path = (await visit.request()).split()[1]
        await both.wait()  # neither is answered before the other is asked for
        await visit.answer(PNG if path == b"/a" else b"none", b"", b"200 OK")

    bench = await make(wait)
    assert await bench.look(f"{bench.url}/a", f"{bench.url}/b") == [PIXELS, None]


async def test_addresses_that_are_not_public_are_not_contacted(make: Make, start: Start) -> None:
    inside = await start(serving(PNG))
    bench = await make(serving(PNG))
    port = inside.url.rpartition(":")[2]
    urls = [inside.url, f"https://127.0.0.1:{port}/", "https://169.254.169.254/", "data:image/png;base64,AA", "", "x"]
    assert await bench.look(*urls) == [None] * len(urls)
    assert bench.results() == {"refused": len(urls)}
    assert not inside.visits and not bench.server.visits


async def test_a_tenant_keeps_no_more_than_its_places_busy_and_all_no_more_than_there_are(make: Make) -> None:
    free, here, most = asyncio.Event(), 0, 0
    full, crowded = asyncio.Event(), asyncio.Event()

    async def slow(visit: Visit) -> None:
        nonlocal here, most
        await visit.request()
        here, most = here + 1, max(most, here + 1)
        if here == MOST_OF_A_TENANT:
            full.set()
        if here == MOST_AT_ONCE:
            crowded.set()
        await free.wait()
        here -= 1
        await visit.answer(PNG, b"", b"200 OK")

    bench = await make(slow)
    images = [f"{bench.url}/{number}" for number in range(MOST_IMAGES)]
    looking = asyncio.ensure_future(bench.look(*images))
    await asyncio.wait_for(full.wait(), 20)
    assert here == MOST_OF_A_TENANT
    others = [asyncio.ensure_future(bench.look(*images, tenant=str(n))) for n in range(5)]
    await asyncio.wait_for(crowded.wait(), 20)
    free.set()
    assert await looking == [PIXELS] * MOST_IMAGES
    assert [await other for other in others] == [[PIXELS] * MOST_IMAGES] * 5
    assert most == MOST_AT_ONCE


async def test_more_images_than_any_model_takes_are_not_all_looked_at(make: Make) -> None:
    bench = await make(serving(PNG, b"200 OK", b""))
    sizes = await bench.look(*[bench.url] * (MOST_IMAGES + 3))
    assert sizes == [PIXELS] * MOST_IMAGES + [None] * 3
    assert bench.server.visits == MOST_IMAGES


async def test_what_is_read_is_bounded_whatever_comes_in_one_piece(make: Make) -> None:
    bench = await make(serving(b"\xff\xd8" + EXIF + bytes(MOST_BYTES) + FRAME, b"200 OK", b""))
    assert await bench.look() == [None]


async def test_a_tenant_that_asks_for_many_images_is_slowed_down_and_others_are_not(make: Make) -> None:
    bench = await make(serving(PNG, b"200 OK", b""))
    asked = 3 * BURST
    for _ in range(asked // MOST_IMAGES):
        await bench.look(*[bench.url] * MOST_IMAGES)
    assert bench.server.visits == BURST
    assert await bench.look() == [None]
    assert await bench.look(tenant="another") == [PIXELS]
    bench.now += 2 / PER_SECOND
    assert await bench.look(*[bench.url] * 3) == [PIXELS, PIXELS, None]
