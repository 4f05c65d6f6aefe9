"""An answer on its way to the client: unbuffered, and no faster than the client takes it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from gateway.server.passing import MOST_KEPT_BYTES, Passage
from gateway.upstream.client import Stream

EVENT = b'data: {"choices":[{}]}\n\n'
LAST = b'data: {"choices":[],"usage":{"completion_tokens":3}}\n\n'


class Client:
    """Takes messages one by one, each when it is told to."""

    def __init__(self) -> None:
        self.took: list[Message] = []
        self.turns = asyncio.Semaphore(0)

    async def __call__(self, message: Message) -> None:
        await self.turns.acquire()
        self.took.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.took)


class Upstream:
    """Gives pieces, and counts those that were asked for."""

    def __init__(self, *pieces: bytes, status: int = 200, type_: bytes = b"text/event-stream") -> None:
        self._pieces = pieces
        self.given = 0
        self.stream = Stream(status, [(b"content-type", type_), (b"x-execution-id", b"e1")], self._body())

    async def _body(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.given += 1
            yield piece


async def quiet() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_upstream_is_read_no_faster_than_the_client_takes_it() -> None:
    client, upstream = Client(), Upstream(*[EVENT] * 50)
    passage = Passage(client, [], streamed=True, hidden=False)
    passing = asyncio.ensure_future(passage.take(upstream.stream))
    for taken in range(10):
        await quiet()
        assert (len(client.took), upstream.given) == (taken, taken)  # the head comes before the first piece
        client.turns.release()
    for _ in range(100):
        client.turns.release()
    await passing
    assert client.body == EVENT * 50


async def test_what_is_hidden_is_not_sent_and_what_was_sent_is_kept() -> None:
    client, upstream = Client(), Upstream(EVENT + LAST[:9], LAST[9:])
    for _ in range(9):
        client.turns.release()
    passage = Passage(client, [(b"x-gateway", b"1")], streamed=True, hidden=True)
    answer = await passage.take(upstream.stream)
    assert (client.body, passage.kept, answer.body) == (EVENT, EVENT, b"")
    assert (passage.usage, passage.execution, passage.begun) == ({"completion_tokens": 3}, "e1", True)
    assert (b"x-gateway", b"1") in client.took[0]["headers"]


@pytest.mark.parametrize(
    "upstream",
    [
        Upstream(b"\x00sound", type_=b"audio/mpeg"),
        Upstream(b"data: " + b"x" * MOST_KEPT_BYTES + b"\n\n"),
    ],
    ids=["a sound", "too long"],
)
async def test_a_sound_and_a_long_stream_are_not_kept(upstream: Upstream) -> None:
    client = Client()
    for _ in range(9):
        client.turns.release()
    passage = Passage(client, [], streamed=True, hidden=True)
    await passage.take(upstream.stream)
    assert passage.kept is None
    assert len(client.took) == 2


@pytest.mark.parametrize(("streamed", "status"), [(True, 400), (False, 200)])
async def test_a_refusal_and_a_plain_answer_are_read_whole_before_anything_is_sent(
    streamed: bool, status: int
) -> None:
    client, upstream = Client(), Upstream(b'{"usage":', b'{"completion_tokens":3}}', status=status)
    passage = Passage(client, [], streamed=streamed, hidden=True)
    answer = await passage.take(upstream.stream)
    assert (answer.status, answer.body) == (status, b'{"usage":{"completion_tokens":3}}')
    assert (client.took, passage.begun, passage.usage) == ([], False, {"completion_tokens": 3})
