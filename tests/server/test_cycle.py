"""An answer leaves in as few writes as can be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.server.protocol import BoundedProtocol
from server.way import HEAD, PIECES, Way, Wire, served


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the server's connections write, one by one."""
    pieces: list[bytes] = []
    made = BoundedProtocol.connection_made

    class Noting:
        def __init__(self, transport: asyncio.Transport) -> None:
            self._transport = transport

        def __getattr__(self, name: str) -> object:
            return getattr(self._transport, name)

        def write(self, data: bytes) -> None:
            pieces.append(data)
            self._transport.write(data)

    monkeypatch.setattr(BoundedProtocol, "connection_made", lambda self, transport: made(self, Noting(transport)))  # type: ignore[arg-type]
    return pieces


@asynccontextmanager
async def wire_to(way: Way) -> AsyncIterator[Wire]:
    async with served(way, way.at_once) as port:
        wire = await Wire.to(port)
        yield wire
        wire.writer.close()


@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"])
async def test_head_and_body_that_are_there_leave_in_one_write(writes: list[bytes], last: bytes) -> None:
    async with wire_to(Way()) as wire:
        head, body = await wire.ask(b"GET /other HTTP/1.1\r\n" + HEAD + last + b"\r\n")
        assert writes == [head + body]
        assert (b"connection: close\r\n" in head) == bool(last)
        if last:
            assert await wire.rest() == b""


@pytest.mark.parametrize(("path", "number"), [("/lower", 3), ("/chunks", 4), ("/nothing", 1)])
async def test_the_head_of_a_streamed_answer_waits_for_the_first_piece_only_where_it_tells_a_length(
    writes: list[bytes], path: str, number: int
) -> None:
    async with wire_to(Way()) as wire:
        wire.writer.write(f"GET {path} HTTP/1.1\r\n".encode() + HEAD + b"connection: close\r\n\r\n")
        assert (await wire.rest()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"".join(PIECES[path][1]) in b"".join(writes).replace(b"\r\n3\r\n", b"") + b"".join(writes)
        assert len(writes) == number, writes


async def test_an_app_that_ends_behind_its_head_has_sent_nothing_and_the_connection_ends(writes: list[bytes]) -> None:
    async with wire_to(Way()) as wire:
        wire.writer.write(b"GET /only-a-head HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert await wire.rest() == b""
        assert writes == []


async def test_a_client_that_expects_a_word_before_its_body_gets_it_once(writes: list[bytes]) -> None:
    async with wire_to(Way()) as wire:
        wire.writer.write(b"POST /other HTTP/1.1\r\n" + HEAD + b"expect: 100-continue\r\ncontent-length: 1\r\n\r\n")
        assert (await wire.head()).startswith(b"HTTP/1.1 100 Continue")
        assert (await wire.ask(b"a"))[1] == b"http /othera"
        assert len(writes) == 2
