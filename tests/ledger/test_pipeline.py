"""The pipeline: what one turn of the loop asks travels together, and every reply finds its caller."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from gateway.ledger.address import read_address
from gateway.ledger.clients import pipeline_for
from gateway.ledger.failures import StoreError, StoreLate
from gateway.ledger.pipeline import Pipeline

Start = Callable[..., Awaitable["Talk"]]


class Talk:
    """A server that keeps what it is sent, piece by piece, and answers as it is told."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.answer = answer
        self.pieces: list[bytes] = []
        self.visits = 0
        self.port = 0
        self.say: Callable[[bytes], None] = lambda _: None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        self.say = writer.write
        while piece := await reader.read(2**20):
            self.pieces.append(piece)
            writer.write(self.answer(piece))
        writer.close()


def one_each(piece: bytes) -> bytes:
    """Answer each command with its last word."""
    return b"".join(b"+%b\r\n" % each.split(b"\r\n")[-2] for each in piece.split(b"*")[1:])


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    servers: list[asyncio.Server] = []

    async def begin(answer: Callable[[bytes], bytes] = one_each, tls: ssl.SSLContext | None = None) -> Talk:
        talk = Talk(answer)
        server = await asyncio.start_server(talk.serve, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        talk.port = server.sockets[0].getsockname()[1]
        return talk

    yield begin
    for server in servers:
        server.close()


async def test_what_one_turn_asks_travels_in_one_write(start: Start) -> None:
    talk = await start()
    pipeline = Pipeline(read_address(f"redis://127.0.0.1:{talk.port}"))
    assert await pipeline.call("ECHO", "first") == b"first"
    replies = await asyncio.gather(*(pipeline.call("ECHO", f"w{number}") for number in range(100)))
    assert replies == [b"w%d" % number for number in range(100)]
    assert (len(talk.pieces), talk.visits) == (2, 1)
    await pipeline.aclose()


async def test_a_caller_that_gives_up_takes_nobodys_reply(start: Start) -> None:
    talk = await start()
    pipeline = Pipeline(read_address(f"redis://127.0.0.1:{talk.port}"))
    await pipeline.call("ECHO", "first")
    calls = [asyncio.create_task(pipeline.call("ECHO", f"w{number}")) for number in range(10)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    replies = await asyncio.gather(*calls, return_exceptions=True)
    assert replies[1::2] == [b"w1", b"w3", b"w5", b"w7", b"w9"]
    assert all(isinstance(reply, asyncio.CancelledError) for reply in replies[::2])
    await pipeline.aclose()


async def test_an_error_is_for_its_caller_alone(start: Start) -> None:
    talk = await start(lambda piece: one_each(piece).replace(b"+bad", b"-NOSCRIPT No matching script."))
    pipeline = Pipeline(read_address(f"redis://127.0.0.1:{talk.port}"))
    first, second, third = await asyncio.gather(
        *(pipeline.call("ECHO", word) for word in ("a", "bad", "c")), return_exceptions=True
    )
    assert (first, third) == (b"a", b"c")
    assert isinstance(second, StoreError)
    assert second.word == "NOSCRIPT"
    await pipeline.aclose()


async def test_a_slow_store_costs_only_the_call_that_waits_too_long(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ledger.pipeline.COMMAND_SECONDS", 0.2)
    talk = await start(lambda _: b"")
    pipeline = Pipeline(read_address(f"redis://127.0.0.1:{talk.port}"))
    late = asyncio.create_task(pipeline.call("ECHO", "late"))
    await asyncio.sleep(0.15)
    soon = asyncio.create_task(pipeline.call("ECHO", "soon"))
    await asyncio.sleep(0)
    talk.say(b"$4\r\nla")  # it is at work
    with pytest.raises(StoreLate):
        await late
    talk.say(b"te\r\n+soon\r\n")
    assert await soon == b"soon"
    assert talk.visits == 1
    await pipeline.aclose()


async def test_what_came_while_this_process_stood_still_is_not_late(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ledger.pipeline.COMMAND_SECONDS", 0.05)
    pipeline = Pipeline(read_address(f"redis://127.0.0.1:{(await start()).port}"))
    assert await pipeline.call("ECHO", "connected") == b"connected"
    call = asyncio.create_task(pipeline.call("ECHO", "sent"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 (nothing in this process goes on, neither the server nor the pipeline)
    assert await call == b"sent"
    await pipeline.aclose()


async def test_a_store_that_says_nothing_any_more_is_connected_to_anew(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ledger.pipeline.COMMAND_SECONDS", 0.1)
    talk = await start(lambda _: b"")
    pipeline = Pipeline(read_address(f"redis://127.0.0.1:{talk.port}"))
    for visits in (1, 2):
        found = await asyncio.gather(*(pipeline.call("ECHO", "a") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(each, StoreLate) for each in found)
        assert talk.visits == visits
    await pipeline.aclose()


async def test_user_password_and_database_are_said_before_anything_else(start: Start) -> None:
    talk = await start()
    pipeline = Pipeline(read_address(f"redis://user:p%40ss@127.0.0.1:{talk.port}/3"))
    await asyncio.gather(*(pipeline.call("ECHO", "a") for _ in range(5)))
    said = b"".join(talk.pieces)
    assert said.startswith(
        b"*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$4\r\np@ss\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*2\r\n$4\r\nECHO\r\n"
    )
    assert talk.visits == 1
    await pipeline.aclose()


async def test_a_password_that_is_refused_is_told(start: Start) -> None:
    talk = await start(lambda _: b"-WRONGPASS invalid username-password pair\r\n")
    pipeline = Pipeline(read_address(f"redis://:wrong@127.0.0.1:{talk.port}"))
    with pytest.raises(StoreError, match="WRONGPASS"):
        await pipeline.call("ECHO", "a")
    assert not any(b"ECHO" in piece for piece in talk.pieces)
    await pipeline.aclose()


async def test_what_is_not_the_protocol_ends_every_call_and_the_next_one_connects_anew(start: Start) -> None:
    talk = await start(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n")
    pipeline = Pipeline(read_address(f"redis://127.0.0.1:{talk.port}"))
    for visits in (1, 2):
        found = await asyncio.gather(*(pipeline.call("ECHO", "a") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(each, StoreError) for each in found)
        assert talk.visits == visits
    await pipeline.aclose()


async def test_a_server_is_verified_by_the_authority_that_the_address_names(start: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    talk = await start(one_each, context)
    known = Pipeline(read_address(f"rediss://127.0.0.1:{talk.port}?ssl_ca_certs={tmp_path / 'ca.pem'}"))
    assert await known.call("ECHO", "a") == b"a"
    strange = Pipeline(read_address(f"rediss://127.0.0.1:{talk.port}"))
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        await strange.call("ECHO", "a")
    for pipeline in (known, strange):
        await pipeline.aclose()


@pytest.mark.parametrize("scheme", ["redis+cluster", "redis+sentinel"])
def test_a_group_has_no_lane(scheme: str) -> None:
    assert pipeline_for(f"{scheme}://127.0.0.1:1/a") is None
