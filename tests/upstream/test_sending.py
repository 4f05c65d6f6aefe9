"""One request, sent at most once, and the exact knowledge of whether a byte of it left."""

import asyncio
import socket
import time

import pytest

from gateway.upstream.client import NotSent, OutcomeUnknown, Outgoing, Upstream
from upstream.conftest import BODY, Start, Visit, create, nothing


async def test_a_refused_connection_is_proof_that_nothing_was_sent(upstream: Upstream) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and not listening
        with pytest.raises(NotSent):
            await upstream.send(create(f"http://127.0.0.1:{closed.getsockname()[1]}"))


@pytest.mark.parametrize("url", ["http://no-such-host.invalid", "ftp://127.0.0.1", "nonsense"])
async def test_an_address_that_cannot_be_reached_is_proof_too(upstream: Upstream, url: str) -> None:
    with pytest.raises(NotSent):
        await upstream.send(create(url))


async def test_a_handshake_that_fails_is_proof_too(start: Start, upstream: Upstream) -> None:
    server = await start(lambda visit: visit.say(b"no TLS here\r\n"))
    with pytest.raises(NotSent):
        await upstream.send(create(server.url.replace("http:", "https:")))
    assert BODY not in bytes(server.heard)


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n123456",
    ],
    ids=["closed", "half a head", "half a body", "half a chunk", "no http", "no gzip", "two lengths"],
)
async def test_whatever_breaks_after_the_request_leaves_the_outcome_unknown(
    start: Start, upstream: Upstream, words: bytes
) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.say(words)

    server = await start(handler)
    with pytest.raises(OutcomeUnknown):
        await upstream.send(create(server.url))
    assert (server.visits, bytes(server.heard).count(BODY)) == (1, 1)


async def test_a_server_that_closes_before_it_reads_leaves_the_outcome_unknown(
    start: Start, upstream: Upstream
) -> None:
    async def handler(visit: Visit) -> None:
        visit.writer.transport.abort()

    server = await start(handler)
    with pytest.raises(OutcomeUnknown):
        await upstream.send(create(server.url))
    assert server.visits == 1


@pytest.mark.parametrize("drip", [False, True])
async def test_the_whole_exchange_ends_in_its_time_however_slowly_the_answer_drips(
    start: Start, upstream: Upstream, drip: bool
) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" if drip else b"")
        while True:
            await asyncio.sleep(0.02)
            await visit.say(b"x" if drip else b"")

    server, begun = await start(handler), time.monotonic()
    with pytest.raises(OutcomeUnknown, match="Timeout"):
        await upstream.send(create(server.url, answer_seconds=0.2))
    assert time.monotonic() - begun < 10  # and not for as long as something comes


@pytest.mark.parametrize("warm", [False, True])
async def test_what_is_late_is_not_sent_by_a_single_byte(start: Start, upstream: Upstream, warm: bool) -> None:
    async def handler(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.answer()

    server = await start(handler)
    if warm:  # by a connection that waits in the pool
        await upstream.send(create(server.url))
    heard = len(server.heard)
    with pytest.raises(NotSent, match="not sent"):
        await upstream.send(create(server.url, send_by=time.monotonic() - 0.001))
    assert (await upstream.send(create(server.url, send_by=time.monotonic() + 5))).status == 200
    assert len(server.heard) - heard == len(server.heard) // (2 if warm else 1)


async def test_a_connection_is_used_again_and_one_that_the_server_closed_meanwhile_is_not(
    start: Start, upstream: Upstream
) -> None:
    async def handler(visit: Visit) -> None:
        for _ in range(2):
            await visit.request()
            await visit.answer()

    server = await start(handler)
    for _ in range(2):
        await upstream.send(create(server.url))
    assert server.visits == 1
    await asyncio.sleep(0.05)  # until the client's kernel knows that it was closed
    assert (await upstream.send(create(server.url))).status == 200
    assert (server.visits, bytes(server.heard).count(BODY)) == (2, 3)


async def test_a_connection_that_closes_on_the_next_request_is_no_reason_to_send_it_again(
    start: Start, upstream: Upstream
) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer()
        await visit.request()

    server = await start(handler)
    await upstream.send(create(server.url))
    with pytest.raises(OutcomeUnknown):
        await upstream.send(create(server.url))
    assert (server.visits, bytes(server.heard).count(BODY)) == (1, 2)


async def test_proxies_of_the_environment_are_not_used(
    start: Start, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer()

    proxy, server = await start(nothing), await start(handler)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    client = type(upstream)()  # one that begins in that environment
    assert (await client.send(create(server.url))).status == 200
    await client.aclose()
    assert proxy.visits == 0


async def test_a_cancelled_send_is_not_sent_again_and_leaves_no_connection(start: Start, upstream: Upstream) -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def handler(visit: Visit) -> None:
        await visit.request()
        arrived.set()
        await visit.reader.read()
        closed.set()

    server = await start(handler)
    sending = asyncio.create_task(upstream.send(create(server.url)))
    await arrived.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await asyncio.wait_for(closed.wait(), 5)
    assert server.visits == 1


@pytest.mark.parametrize("header", [(b"x-tail", b"value "), (b"x-line", b"a\r\nb: c"), (b"bad name", b"value")])
async def test_a_header_that_cannot_be_written_is_proof_that_nothing_was_sent(
    start: Start, upstream: Upstream, header: tuple[bytes, bytes]
) -> None:
    server = await start(nothing)
    with pytest.raises(NotSent):
        await upstream.send(Outgoing("POST", server.url, [header], BODY))
    assert not server.heard
