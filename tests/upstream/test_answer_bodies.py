"""Answers as they arrive: whole, packed, huge, in pieces, or pointing elsewhere."""

import gzip

import pytest

from gateway.upstream.client import MOST_BYTES, OutcomeUnknown, Outgoing, Upstream
from upstream.conftest import BODY, Start, Visit, create, nothing


async def test_an_answer_longer_than_the_gateway_reads_leaves_the_outcome_unknown(
    start: Start, upstream: Upstream
) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        for _ in range(MOST_BYTES // 2**20 + 2):
            await visit.say(bytes(2**20))

    server = await start(handler)
    with pytest.raises(OutcomeUnknown, match="longer than"):
        await upstream.send(create(server.url))


async def test_a_small_answer_that_unpacks_to_a_huge_one_is_given_up(start: Start, upstream: Upstream) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer(gzip.compress(bytes(MOST_BYTES + 1)), b"content-encoding: gzip\r\n")

    server = await start(handler)
    with pytest.raises(OutcomeUnknown, match="longer than"):
        await upstream.send(create(server.url))


async def test_a_packed_answer_is_unpacked_and_says_no_more_that_it_was(start: Start, upstream: Upstream) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer(gzip.compress(b'{"id":"p"}'), b"content-encoding: gzip\r\n")

    server = await start(handler)
    request = Outgoing("GET", server.url, [(b"Accept-Encoding", b"br, zstd")])
    answer = await upstream.send(request)
    assert (answer.body, answer.header(b"content-encoding")) == (b'{"id":"p"}', None)
    assert b"accept-encoding: gzip\r\n" in bytes(server.heard).lower()
    assert b"zstd" not in bytes(server.heard)


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
async def test_a_redirect_is_an_answer_and_not_an_order(start: Start, upstream: Upstream, status: bytes) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b"", f"location: {elsewhere.url}/\r\n".encode(), status)

    elsewhere = await start(nothing)
    server = await start(handler)
    answer = await upstream.send(create(server.url))
    assert (str(answer.status), elsewhere.visits) == (status[:3].decode(), 0)


async def test_a_stream_hands_over_the_pieces_in_the_coding_that_came(start: Start, upstream: Upstream) -> None:
    packed = gzip.compress(b"long answer")

    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer(packed, b"Content-Encoding: gzip\r\n")

    server = await start(handler)
    async with upstream.stream(Outgoing("GET", server.url, [])) as answer:
        assert b"".join([piece async for piece in answer.body]) == packed
        assert (b"content-encoding", b"gzip") in answer.headers


async def test_a_whole_answer_is_given_with_its_status_headers_and_bytes(start: Start, upstream: Upstream) -> None:
    async def handler(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b'{"a": 1.0}\xff', b"X-Odd: \xe4\r\nset-cookie: a=1\r\n", b"201 Made")

    server = await start(handler)
    answer = await upstream.send(create(server.url))
    assert (answer.status, answer.body, answer.header(b"x-odd")) == (201, b'{"a": 1.0}\xff', "ä")
    assert bytes(server.heard).count(b"POST /v1/prediction HTTP/1.1\r\n") == 1
    assert bytes(server.heard).endswith(b"\r\n\r\n" + BODY)
