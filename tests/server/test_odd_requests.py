"""Requests and answers of odd forms pass as they do through uvicorn alone."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from gateway.server.serving import bind
from server.way import HEAD, PIECES, Way, served

ODD = [
    b"",
    b"\r\n\r\n",
    b"\r\nGET /other HTTP/1.1\r\n" + HEAD + b"connection: close\r\n\r\n",
    b"GET /other HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"get /other HTTP/1.1\r\n\r\n",
    b"GET /other HTTP/9.9\r\n\r\n",
    b"GET /other\r\n\r\n",
    b"GET  /other HTTP/1.1\r\n\r\n",
    b"GET other HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"GET /other?x=%zz#y HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"GET //other HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"GET http://a:b:c/ HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"GET /other HTTP/1.1\r\nx : y\r\n\r\n",
    b"GET /other HTTP/1.1\r\nx: y\r\n z\r\nconnection: close\r\n\r\n",
    b"GET /other HTTP/1.1\r\nx: \0\r\n\r\n",
    b"GET /other HTTP/1.0\r\n\r\n",
    b"HEAD /other HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"POST /other HTTP/1.1\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc",
    b"POST /other HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    b"POST /other HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    b"POST /other HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /other HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /other HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nt: u\r\n\r\n",
    b"POST /other HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"POST /other HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
    b"POST /other HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\nconnection: close\r\n\r\na",
    b"GET /other HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n\r\n",
    b"GET /other HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"GET /other HTTP/1.1\r\nconnection: close\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    b"POST /other HTTP/1.1\r\ncontent-length: 1\r\n\r\nagarbage\r\n\r\n",
    b"GET /other HTTP/1.1\r\nconnection: close\r\nfoo: " + b"a" * 60_000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    *(b"GET %b HTTP/1.1\r\n\r\n" % path.encode() for path in PIECES if path != "/only-a-head"),
    *(b"HEAD %b HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n" % path.encode() for path in PIECES),
]


@asynccontextmanager
async def uvicorn_alone(way: Way) -> AsyncIterator[int]:
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(way, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None)
    config.server_header = False
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    await asyncio.wait_for(serving, 10)


async def test_odd_requests_are_answered_as_uvicorn_answers_them() -> None:
    """In one piece, and byte for byte, which is harder on a parser."""
    way = Way()
    async with served(way, way.at_once) as ours, uvicorn_alone(way) as theirs:
        cases = [(raw, size) for raw in ODD for size in (len(raw) or 1, 1 if len(raw) < 200 else 7000)]
        unlike = [case for case, same in zip(cases, await alike(ours, theirs, cases, 0.3), strict=True) if not same]
        if unlike:  # on a busy machine an answer may need longer
            same = await alike(ours, theirs, unlike, 3)
            assert all(same), [case[0][:100] for case, each in zip(unlike, same, strict=True) if not each]


async def alike(ours: int, theirs: int, cases: list[tuple[bytes, int]], patience_s: float) -> list[bool]:
    asked = [said(port, *case, patience_s) for case in cases for port in (ours, theirs)]
    answers = await asyncio.gather(*asked)
    return [one == other for one, other in zip(answers[::2], answers[1::2], strict=True)]


async def said(port: int, raw: bytes, size: int, patience_s: float) -> bytes:
    """Send a text in pieces, and give what is answered until the server closes, or has said nothing for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        for start in range(0, len(raw), size):
            writer.write(raw[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)
        while piece := await asyncio.wait_for(reader.read(65536), patience_s):
            answer += piece
        answer += b"(closed)"
    except TimeoutError:
        answer += b"(open)"
    except ConnectionError:
        answer += b"(closed)"
    writer.close()
    return re.sub(rb"date: [^\r]*\r\n", b"", answer)
