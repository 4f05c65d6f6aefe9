"""How answers may be framed, how connections end, and what is kept of them: the same for both clients."""

import asyncio
import ssl
import sys
import tracemalloc

import pytest
import trustme

from gateway.upstream.client import NotSent, OutcomeUnknown, Outgoing, Upstream
from gateway.upstream.direct.exchange import DirectUpstream
from gateway.upstream.direct.pool import MOST_IDLE
from upstream.conftest import BODY, Start, Visit, create, until_idle

FRAMED = {
    "length": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    "chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\nx-trailer: a\r\n\r\n",
    "close": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "old": b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    "hints": b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
}
REFUSED = {
    "a long head": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\ncontent-length: 2\r\n\r\n{}",
    "a head without an end": b"HTTP/1.1 200 OK\r\n" + b"x-a: " + b"y" * 200_000,
    "an upgrade": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "an interim answer alone": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a chunk of no number": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n{}\r\n0\r\n\r\n",
    "another transfer coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n{}",
    "half an unpacked body": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
}


@pytest.mark.parametrize("pieces", [1, 3, 1000])
@pytest.mark.parametrize("words", FRAMED.values(), ids=FRAMED)
async def test_a_body_ends_where_its_framing_says(
    start: Start, upstream: Upstream, words: bytes, pieces: int
) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        step = max(len(words) // pieces, 1)
        for at in range(0, len(words), step):
            await visit.say(words[at : at + step])
            await asyncio.sleep(0)

    server = await start(handler)
    answer = await upstream.send(create(server.url))
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.header(b"x-trailer") is answer.header(b"link") is None


@pytest.mark.parametrize("words", REFUSED.values(), ids=REFUSED)
async def test_what_is_no_answer_leaves_the_outcome_unknown(start: Start, upstream: Upstream, words: bytes) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.say(words)

    server = await start(handler)
    with pytest.raises(OutcomeUnknown):
        await upstream.send(create(server.url, answer_seconds=5))
    assert (server.visits, bytes(server.heard).count(BODY)) == (1, 1)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_an_answer_without_a_body_ends_with_its_head(start: Start, upstream: Upstream, status: bytes) -> None:
    async def handler(visit: Visit) -> None:
        for _ in range(2):
            await visit.request()
            await visit.say(b"HTTP/1.1 " + status + b"\r\n\r\n")
        await visit.reader.read()

    server = await start(handler)
    for _ in range(2):
        assert (await upstream.send(create(server.url))).body == b""
    assert server.visits == 1


async def test_the_answer_to_a_head_request_has_no_body_whatever_its_length(start: Start, upstream: Upstream) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
        await visit.reader.read()

    server = await start(handler)
    answer = await upstream.send(Outgoing("HEAD", server.url, [], answer_seconds=5))
    assert (answer.status, answer.body, answer.header(b"content-length")) == (200, b"", "10")


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"nonsense"])
async def test_what_nobody_asked_for_is_the_answer_to_nothing(start: Start, extra: bytes) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b"mine", b"", b"200 OK")
        await visit.say(extra)
        await visit.reader.read()

    server, upstream = await start(handler), DirectUpstream()  # httpx takes them for the next answer
    for _ in range(3):
        assert (await upstream.send(create(server.url))).body == b"mine"
        await asyncio.sleep(0.05)  # until it is there; what comes later still cannot be told from an answer
    await upstream.aclose()


async def test_extra_bytes_in_the_same_packet_end_the_use_of_a_connection(start: Start) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.say(2 * b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await visit.reader.read()

    server, upstream = await start(handler), DirectUpstream()  # httpx takes them for the next answer
    assert [(await upstream.send(create(server.url))).body for _ in range(2)] == [b"{}"] * 2
    assert server.visits == 2
    await upstream.aclose()


async def test_a_server_that_answers_before_it_has_read_the_body_is_heard(start: Start, upstream: Upstream) -> None:
    async def handler(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        await visit.answer(b"too long", b"connection: close\r\n", b"413 Too Large")
        await visit.reader.read()

    server = await start(handler)
    answer = await upstream.send(Outgoing("POST", server.url, [], bytes(2**20), answer_seconds=5))
    assert (answer.status, answer.body) == (413, b"too long")


@pytest.mark.parametrize("reads", [0, 1])
async def test_a_stream_that_nobody_reads_on_is_closed_and_keeps_the_server_waiting(
    start: Start, upstream: Upstream, reads: int
) -> None:
    given = 0
    closed = asyncio.Event()

    async def handler(visit: Visit) -> None:
        nonlocal given
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while given < 64 * 2**20:
                await visit.say(bytes(2**16))
                given += 2**16
        finally:
            closed.set()

    server = await start(handler)
    async with upstream.stream(Outgoing("GET", server.url, [])) as answer:
        for _ in range(reads):
            await anext(answer.body)
        await until_idle(lambda: given)
        assert given < 32 * 2**20
    await asyncio.wait_for(closed.wait(), 5)


async def test_a_stream_that_breaks_off_says_so_to_whoever_reads_it(start: Start, upstream: Upstream) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345")

    server = await start(handler)
    with pytest.raises(OutcomeUnknown):
        async with upstream.stream(Outgoing("GET", server.url, [])) as answer:
            assert [piece async for piece in answer.body] == [b"12345"]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("name", ["localhost", "elsewhere.example"])
async def test_tls_verifies_the_name_and_the_authority(start: Start, authority: trustme.CA, name: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    async def handler(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.answer()

    def trusting() -> ssl.SSLContext:
        made = ssl.create_default_context()
        authority.configure_trust(made)
        return made

    server = await start(handler, context)
    known, strange = DirectUpstream(trusting), DirectUpstream()
    try:
        if name == "localhost":
            assert [(await known.send(create(server.url))).status for _ in range(2)] == [200, 200]
            assert server.visits == 1
        else:
            with pytest.raises(NotSent, match="Hostname mismatch"):
                await known.send(create(server.url))
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            await strange.send(create(server.url))
    finally:
        await known.aclose()
        await strange.aclose()


async def test_no_more_connections_are_open_than_there_may_be_and_few_are_kept(start: Start) -> None:
    now, most, gate = 0, 0, asyncio.Event()

    async def handler(visit: Visit) -> None:
        nonlocal now, most
        while True:
            await visit.request()
            now += 1
            most = max(most, now)
            await gate.wait()
            now -= 1
            await visit.answer()

    server, client = await start(handler), DirectUpstream(most_open=8)
    sending = [asyncio.create_task(client.send(create(server.url))) for _ in range(40)]
    await until_idle(lambda: now)
    gate.set()
    assert {answer.status for answer in await asyncio.gather(*sending)} == {200}
    assert (most, server.visits) == (8, 8)
    assert MOST_IDLE >= client._pool._resting == 8
    await client.aclose()


async def test_who_finds_no_connection_in_time_has_sent_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.upstream.direct.pool.CONNECT_SECONDS", 0.1)

    async def handler(visit: Visit) -> None:
        await visit.reader.read()

    server, client = await start(handler), DirectUpstream(most_open=1)
    first = asyncio.create_task(client.send(create(server.url, answer_seconds=5)))
    await until_idle(lambda: server.visits)
    with pytest.raises(NotSent, match="in use"):
        await client.send(create(server.url))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert client._pool._places._value == 1
    await client.aclose()


async def test_each_answer_is_waited_for_in_its_own_time(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.upstream.direct.pool.LOOK_SECONDS", 0.01)
    go = asyncio.Event()

    async def handler(visit: Visit) -> None:
        while True:
            await visit.request()
            await go.wait()
            await visit.answer()

    server, client = await start(handler), DirectUpstream()
    patient = asyncio.create_task(client.send(create(server.url)))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match=r"Timeout: not done within 0\.1 s"):
            await client.send(create(server.url, answer_seconds=0.1))
    go.set()
    assert (await patient).status == 200
    await until_idle(lambda: server.visits)  # with nobody to wait for, nobody looks, until there is somebody
    assert client._pool._look is None
    go.clear()
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await client.send(create(server.url, answer_seconds=0.1))
    await client.aclose()


async def test_nothing_of_a_request_is_kept_while_its_answer_is_waited_for(start: Start) -> None:
    came, go = asyncio.Event(), asyncio.Event()

    async def handler(visit: Visit) -> None:
        await visit.request()
        came.set()
        await go.wait()
        await visit.answer()

    server, client = await start(handler), DirectUpstream()
    body = bytes(100_000)
    own = sys.getrefcount(body)
    tracemalloc.start()
    try:
        sending = asyncio.create_task(client.send(Outgoing("POST", server.url, [], body)))
        await came.wait()
        written = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/direct/writing.py")])
    finally:
        tracemalloc.stop()
    assert sys.getrefcount(body) == own
    assert sum(line.size for line in written.statistics("filename")) < len(body)
    go.set()
    assert (await sending).status == 200
    await client.aclose()


async def test_a_connection_that_rests_too_long_is_closed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.upstream.direct.pool.IDLE_SECONDS", 0.05)
    closed = asyncio.Event()

    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer()
        await visit.reader.read()
        closed.set()

    server, client = await start(handler), DirectUpstream()
    await client.send(create(server.url))
    await asyncio.wait_for(closed.wait(), 5)
    assert (await client.send(create(server.url))).status == 200
    assert server.visits == 2
    await client.aclose()


@pytest.mark.parametrize("steps", range(12))
async def test_a_cancel_at_any_moment_leaves_no_connection_and_no_place_taken(start: Start, steps: int) -> None:
    async def handler(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{")
            await asyncio.sleep(0)
            await visit.say(b"}")

    server, client = await start(handler), DirectUpstream(most_open=1)
    sending = asyncio.create_task(client.send(create(server.url)))
    for _ in range(steps):
        await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert (client._pool._places._value, len(client._pool._used)) == (1, 0)
    assert (await client.send(create(server.url))).body == b"{}"
    assert bytes(server.heard).count(BODY) <= 2
    await client.aclose()


@pytest.mark.parametrize(
    "header",
    [(b"Host", b"a"), (b"content-length", b"1"), (b"Transfer-Encoding", b"chunked"), (b"expect", b"100-continue")],
)
async def test_a_second_framing_is_not_sent(start: Start, header: tuple[bytes, bytes]) -> None:
    client = DirectUpstream()
    with pytest.raises(NotSent, match="frame"):
        await client.send(Outgoing("POST", "http://127.0.0.1:1", [header], BODY))


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("/v1/a%20b?q=1&r=%2F", b"GET /v1/a%20b?q=1&r=%2F HTTP/1.1"),
        ("/v1/a b\u00e4", b"GET /v1/a%20b%C3%A4 HTTP/1.1"),
        ("", b"GET / HTTP/1.1"),
        ("/a#part", b"GET /a HTTP/1.1"),
        ('/a"<>', b"GET /a%22%3C%3E HTTP/1.1"),
    ],
)
async def test_an_address_is_written_so_that_it_can_be_read_in_one_way(
    start: Start, upstream: Upstream, url: str, line: bytes
) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer()

    server = await start(handler)
    await upstream.send(Outgoing("GET", server.url + url, []))
    assert bytes(server.heard).startswith(line + b"\r\n")
