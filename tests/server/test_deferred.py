"""A request whose answer has to be waited for, without an app around it, behaves on its connection as any other."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator

import pytest
import uvloop

from gateway.server import serving
from server.way import HEAD, Way, Wire, served


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\n".encode() + HEAD + b"\r\n"


@pytest.fixture
async def way() -> Way:
    return Way()


@pytest.fixture
async def wire(way: Way) -> AsyncIterator[Wire]:
    async with served(way, way.at_once) as port:
        wire = await Wire.to(port)
        yield wire
        wire.writer.close()


async def test_it_is_answered_when_its_answer_is_there_and_the_connection_serves_on(way: Way, wire: Wire) -> None:
    wire.writer.write(get("/later"))
    await way.begun.wait()
    assert way.came == []
    way.go.set()
    head, body = await wire.answer()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert {b"x-way: later", b"x-own: 1"} <= set(head.split(b"\r\n"))
    assert b"\r\ndate: " in head
    assert b"connection:" not in head
    assert body == b"http /later"
    for path in ("/later/again", "/now", "/other"):
        assert (await wire.ask(get(path)))[1] == f"http {path}".encode()
    assert [kind for kind, _ in way.came] == ["later", "later", "at once", "app"]


async def test_requests_that_come_behind_it_wait_for_their_turn(way: Way, wire: Wire) -> None:
    paths = ["/later/1", "/now/2", "/later/3", "/other/4"]
    wire.writer.write(b"".join(get(path) for path in paths[:2]))
    await way.begun.wait()
    wire.writer.write(b"".join(get(path) for path in paths[2:]))
    way.go.set()
    assert [(await wire.answer())[1] for _ in paths] == [f"http {path}".encode() for path in paths]
    assert way.came[0] == ("later", "/later/1")


async def hang_up_beside_another(way: Way) -> None:
    async with served(way, way.at_once) as port:
        gone, stays = await Wire.to(port), await Wire.to(port)
        gone.writer.write(get("/later/gone"))
        await way.begun.wait()
        gone.writer.transport.abort()
        stays.writer.write(get("/later/stays"))
        await asyncio.sleep(0.05)  # it cannot be awaited that the server has heard of it
        way.go.set()
        assert (await stays.answer())[1] == b"http /later/stays"
        assert ("later", "/later/gone") in way.came
        stays.writer.close()


def test_a_client_that_hangs_up_ends_nothing_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    uvloop.run(hang_up_beside_another(Way()))  # as workers do; asyncio's own loop lets write to what is closed
    gc.collect()  # what a task failed with is told when it goes
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_stop_lets_it_end_and_says_that_the_connection_closes(way: Way) -> None:
    async def let_go_when_it_stops(idle: Wire) -> None:
        assert await idle.rest() == b""
        idle.writer.close()
        way.go.set()

    async with served(way, way.at_once, let_go=False) as port:
        wire, stops = await Wire.to(port), asyncio.ensure_future(let_go_when_it_stops(await Wire.to(port)))
        wire.writer.write(get("/later"))
        await way.begun.wait()
    await stops
    head, body = await wire.answer()
    assert b"\r\nconnection: close\r\n" in head
    assert body == b"http /later"
    assert await wire.rest() == b""
    wire.writer.close()


async def test_a_stop_that_waits_no_longer_closes_the_connection(
    way: Way, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving, "GRACE_SECONDS", 0.1)
    async with served(way, way.at_once, let_go=False) as port:
        wire = await Wire.to(port)
        wire.writer.write(get("/later"))
        await way.begun.wait()
    assert await wire.rest() == b""
    assert way.came == []
    assert "Cancel 1 running task(s)" in caplog.text
    wire.writer.close()


async def test_where_no_answer_can_be_had_the_connection_ends(way: Way, wire: Wire) -> None:
    way.go.set()
    wire.writer.write(get("/later/fault") + get("/other"))
    assert await wire.rest() == b""
    assert way.came == []
