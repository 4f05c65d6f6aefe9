"""Any bytes as an answer: read alike however they arrive, and as httpx reads them."""

import asyncio
import gzip
import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.upstream.client import Answer, OutcomeUnknown
from gateway.upstream.direct.exchange import DirectUpstream
from gateway.upstream.direct.incoming import Broken, Incoming
from gateway.upstream.httpx_client import HttpxUpstream
from upstream.conftest import Start, Visit, create

BODY = st.binary(max_size=60)
STATUS = st.sampled_from([200, 201, 202, 204, 304, 400, 404, 429, 500, 503])
NAME = st.sampled_from([b"x-a", b"Date", b"Content-Type", b"x-b", b"Retry-After", b"Connection"])
VALUE = st.sampled_from([b"", b"a", b"close", b"keep-alive", b"  spaced  ", b"\xe4", b"a, b", b"application/json"])
#: How a body may be framed, rightly and wrongly.
FRAMINGS = ("length", "long", "short", "chunked", "close", "both", "twice", "odd")
DISTURBANCE = st.sampled_from([b"\x00", b"\r", b"\n", b"\r\n", b":", b" ", b"\xff", b"0", b"HTTP/1.1", b"chunked"])


def chunks(body: bytes, chance: random.Random) -> bytes:
    written = b""
    while body:
        size = chance.randint(1, len(body))
        extension = chance.choice([b"", b";a=b", b";a"])
        written += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    return written + b"0\r\n" + chance.choice([b"", b"x-trailer: b\r\n"]) + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """One answer, framed as it should be or not, disturbed by a few bytes or not."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    status, body, framing = draw(STATUS), draw(BODY), draw(st.sampled_from(FRAMINGS))
    headers = draw(st.lists(st.tuples(NAME, VALUE), max_size=4))
    if draw(st.booleans()):
        body = gzip.compress(body, mtime=0)
        headers.append((b"Content-Encoding", draw(st.sampled_from([b"gzip", b"GZIP"]))))
    length = b"%d" % (len(body) + {"long": 3, "short": -1}.get(framing, 0)) if framing != "odd" else b"+1"
    if framing in ("length", "long", "short", "both", "twice", "odd"):
        headers.append((b"Content-Length", length))
    if framing == "twice":
        headers.append((b"content-length", length + b"0"))
    if framing in ("chunked", "both"):
        headers.append((b"Transfer-Encoding", b"chunked"))
        body = chunks(body, chance)
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    head = b"".join(b"%b: %b\r\n" % pair for pair in headers)
    interim = draw(
        st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\na: b\r\n\r\n"])
    )
    whole = interim + b"HTTP/%b %d Some Words\r\n%b\r\n%b" % (version, status, head, body)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = chance.randint(0, len(whole))
        whole = whole[:at] + draw(DISTURBANCE) + whole[at + chance.randint(0, 2) :]
    return whole


def read(pieces: list[bytes]) -> tuple[object, ...] | None:
    """Read an answer after whose last piece the connection closes; None where it is none."""
    incoming = Incoming(most=2**20)
    try:
        for piece in pieces:
            incoming.feed(piece)
            if incoming.whole:
                break
        if not incoming.whole:
            incoming.end()
    except Broken:
        return None
    return incoming.status, tuple(incoming.headers), b"".join(incoming.pieces)


@settings(max_examples=400, deadline=None)
@given(answers() | st.binary(max_size=200), st.integers(0, 2**32))
def test_an_answer_reads_the_same_however_it_is_cut_into_pieces(whole: bytes, seed: int) -> None:
    chance, pieces, rest = random.Random(seed), [], whole
    while rest:
        size = chance.randint(1, min(len(rest), chance.choice([1, 5, 100])))
        pieces.append(rest[:size])
        rest = rest[size:]
    once, cut = read([whole]), read(pieces)
    # A fault behind the end of an answer is seen or not, as the bytes come; the answer is the same.
    assert once == cut


class Play:
    """Gives the same bytes to whoever asks, and closes."""

    def __init__(self) -> None:
        self.whole = b""

    async def __call__(self, visit: Visit) -> None:
        await visit.request()
        await visit.say(self.whole)


async def ask(client: DirectUpstream | HttpxUpstream, url: str) -> Answer | None:
    try:
        return await client.send(create(url, answer_seconds=10))
    except OutcomeUnknown:
        return None


#: What the direct client's parser passes over where h11 does not: the words of a status line, which nobody reads, and
#: blank lines before one.
WORDS = re.compile(rb"HTTP/[0-9.]+ [0-9]+(?: [\t -~\x80-\xff]*)?\r?\n")
BLANK = re.compile(rb"(?:^|\n\r?\n)[\r\n]+HTTP/")


def passed_over(whole: bytes) -> bool:
    """Tell whether a status line has words that are none, or blank lines before it."""
    lines = (line for line in whole.splitlines(keepends=True) if line.startswith(b"HTTP/"))
    return bool(BLANK.search(whole)) or not all(map(WORDS.fullmatch, lines))


async def test_the_direct_client_reads_what_httpx_reads_and_refuses_what_it_refuses(start: Start) -> None:
    """Wherever both give an answer it is the same one; what httpx refuses, the direct client does not take."""
    play, direct, httpx = Play(), DirectUpstream(), HttpxUpstream()
    server = await start(play)
    counted = {"same": 0, "both refuse": 0, "stricter": 0}
    loop = asyncio.get_running_loop()

    @settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(answers())
    def compare(whole: bytes) -> None:
        ours, theirs = asyncio.run_coroutine_threadsafe(both(whole), loop).result(30)
        if ours is None or theirs is None:
            assert ours is None or passed_over(whole), (
                f"httpx refuses {whole!r}, which the direct client takes for {ours}"
            )
            counted["both refuse" if theirs is None else "stricter"] += 1
            return
        assert (ours.status, ours.body) == (theirs.status, theirs.body), whole
        assert sorted(_plain(ours)) == sorted(_plain(theirs)), whole
        counted["same"] += 1

    async def both(whole: bytes) -> tuple[Answer | None, Answer | None]:
        play.whole = whole
        return await ask(direct, server.url), await ask(httpx, server.url)

    try:
        await asyncio.to_thread(compare)
    finally:
        await direct.aclose()
        await httpx.aclose()
    assert counted["same"] > 60
    assert counted["both refuse"] > 30
    print(counted)


def _plain(answer: Answer) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value.strip()) for name, value in answer.headers]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_half_an_answer_is_none(cut: int) -> None:
    whole = b"HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 20\r\n\r\n" + bytes(20)
    assert read([whole]) is not None
    assert read([whole[:-cut]]) is None
