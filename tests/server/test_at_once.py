"""What can be answered without waiting is answered at once, and everything else about a connection stays as it is."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gateway.server.protocol import BoundedProtocol
from gateway.server.reply import Reply
from server.way import HEAD, Way, Wire, served


@pytest.fixture
async def way() -> Way:
    return Way()


@pytest.fixture
async def port(way: Way) -> AsyncIterator[int]:
    async with served(way, way.at_once) as number:
        yield number


@pytest.fixture
async def wire(port: int) -> AsyncIterator[Wire]:
    wire = await Wire.to(port)
    yield wire
    wire.writer.close()


async def test_a_get_that_needs_no_waiting_is_answered_at_once_again_and_again(way: Way, wire: Wire) -> None:
    for _ in range(3):
        head, body = await wire.ask(b"GET /now HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nx-way: at once\r\n" in head
        assert b"\r\nx-own: 1\r\n" in head
        assert b"\r\ndate: " in head
        assert body == b"http /now"
    assert way.came == [("at once", "/now")] * 3


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /other HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"POST /now HTTP/1.1\r\n" + HEAD + b"content-length: 2\r\n\r\nab",
        b"HEAD /now HTTP/1.1\r\n" + HEAD + b"connection: close\r\n\r\n",
        b"GET /now HTTP/1.0\r\n" + HEAD + b"\r\n",
        b"GET /now HTTP/1.0\r\n" + HEAD + b"connection: keep-alive\r\n\r\n",
        b"GET /now HTTP/1.1\r\n" + HEAD + b"connection: close\r\n\r\n",
        b"GET /now HTTP/1.1\r\n" + HEAD + b"content-length: 0\r\n\r\n",
        b"GET /now HTTP/1.1\r\n" + HEAD + b"content-length: 3\r\n\r\nabc",
        b"GET /now HTTP/1.1\r\n" + HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"GET /now HTTP/1.1\r\n" + HEAD + b"expect: 100-continue\r\ncontent-length: 1\r\n\r\na",
        b"GET /now HTTP/1.1\r\n" + HEAD + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"GET /now?a=b HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /no%77 HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET http://gateway/now HTTP/1.1\r\n" + HEAD + b"\r\n",
    ],
)
async def test_every_other_request_goes_to_the_app(way: Way, wire: Wire, raw: bytes) -> None:
    wire.writer.write(raw)
    head = await wire.head()
    if head.startswith(b"HTTP/1.1 100 Continue"):
        head = await wire.head()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [kind for kind, _ in way.came] == ["app"]


async def test_answers_come_in_the_order_of_requests_that_came_together(way: Way, wire: Wire) -> None:
    paths = [b"/now/1", b"/other/2", b"/now/3", b"/now/4", b"/other/5", b"/now/6"]
    wire.writer.write(b"".join(b"GET %b HTTP/1.1\r\n%b\r\n" % (path, HEAD) for path in paths))
    assert [(await wire.answer())[1] for _ in paths] == [b"http " + path for path in paths]
    assert way.came[0] == ("at once", "/now/1")


async def test_a_request_behind_one_in_work_waits_for_its_turn(way: Way, wire: Wire) -> None:
    wire.writer.write(b"GET /slow HTTP/1.1\r\n" + HEAD + b"\r\n")
    await way.begun.wait()
    wire.writer.write(b"GET /now HTTP/1.1\r\n" + HEAD + b"\r\n")
    await asyncio.sleep(0.05)  # it cannot be awaited that nothing happens
    assert way.came == [("app", "/slow")]
    way.go.set()
    assert (await wire.answer())[1] == b"http /slow"
    assert (await wire.answer())[1] == b"http /now"


async def test_of_many_requests_that_come_together_one_is_answered_at_once(way: Way, wire: Wire) -> None:
    wire.writer.write((b"GET /now HTTP/1.1\r\n" + HEAD + b"\r\n") * 20)
    for _ in range(20):
        await wire.answer()
    assert [kind for kind, _ in way.came].count("app") >= 10


async def test_a_head_that_comes_in_pieces_is_answered_at_once(way: Way, wire: Wire) -> None:
    raw = b"GET /now HTTP/1.1\r\n" + HEAD + b"\r\n"
    for each in (raw[:7], raw[7:30], raw[30:-1]):
        wire.writer.write(each)
        await asyncio.sleep(0.01)
    assert (await wire.ask(raw[-1:]))[1] == b"http /now"
    assert way.came == [("at once", "/now")]


@pytest.mark.parametrize("path", [b"/now", b"/other"])
async def test_the_scheme_is_the_one_that_a_proxy_on_this_host_tells(wire: Wire, path: bytes) -> None:
    raw = b"GET " + path + b" HTTP/1.1\r\n" + HEAD
    assert (await wire.ask(raw + b"X-Forwarded-Proto: https\r\n\r\n"))[1] == b"https " + path
    assert (await wire.ask(raw + b"x-forwarded-proto: gopher\r\n\r\n"))[1] == b"http " + path
    assert (await wire.ask(raw + b"\r\n"))[1] == b"http " + path


@pytest.mark.parametrize("path", [b"/now", b"/other"])
async def test_the_word_of_a_proxy_that_is_not_trusted_is_not_taken(
    way: Way, monkeypatch: pytest.MonkeyPatch, path: bytes
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.1")
    async with served(way, way.at_once) as port:
        wire = await Wire.to(port)
        raw = b"GET " + path + b" HTTP/1.1\r\n" + HEAD + b"x-forwarded-proto: https\r\n\r\n"
        assert (await wire.ask(raw))[1] == b"http " + path
        wire.writer.close()


async def test_a_connection_that_waits_is_closed_when_the_server_stops(way: Way) -> None:
    async with served(way, way.at_once) as port:
        wire = await Wire.to(port)
        await wire.ask(b"GET /now HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert await wire.rest() == b""
    wire.writer.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let connections wait 0.2 s for their next request."""
    begin: Any = BoundedProtocol.__init__

    def patched(self: BoundedProtocol, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self.timeout_keep_alive = 0.2  # type: ignore[assignment]  # uvicorn's own is in whole seconds

    monkeypatch.setattr(BoundedProtocol, "__init__", patched)
    return


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", [b"/now", b"/other"])
async def test_a_connection_without_a_next_request_is_closed(wire: Wire, path: bytes) -> None:
    began = asyncio.get_running_loop().time()
    for _ in range(4):
        await wire.ask(b"GET " + path + b" HTTP/1.1\r\n" + HEAD + b"\r\n")
        await asyncio.sleep(0.1)
    assert await wire.rest() == b""
    assert asyncio.get_running_loop().time() - began >= 0.45  # every request began the wait anew


@pytest.mark.usefixtures("impatient")
async def test_a_request_in_work_is_not_cut_by_the_wait_for_the_next(way: Way, wire: Wire) -> None:
    await wire.ask(b"GET /now HTTP/1.1\r\n" + HEAD + b"\r\n")
    wire.writer.write(b"GET /slow HTTP/1.1\r\n" + HEAD + b"\r\n")
    await way.begun.wait()
    await asyncio.sleep(0.4)
    way.go.set()
    assert (await wire.answer())[1] == b"http /slow"
    assert await wire.rest() == b""  # and the wait begins with its end


async def test_a_header_that_would_be_read_as_two_is_not_written() -> None:
    for header in ((b"x-a", b"b\r\nx-c: d"), (b"x-a", b"b\nx"), (b"x a", b"b"), (b"", b"b"), (b"x-a", b"\0")):
        with pytest.raises(RuntimeError):
            Reply(200, [header], b"").written([])
    assert Reply(200, [(b"x-a", b"a\tb \xff")], b"ok").written([(b"date", b"d")]) == (
        b"HTTP/1.1 200 OK\r\nx-a: a\tb \xff\r\ncontent-length: 2\r\ndate: d\r\n\r\nok"
    )
