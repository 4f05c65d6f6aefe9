"""Passing on: upstream's answer reaches the client while it arrives, and is read for its usage on the way."""

from collections.abc import AsyncIterator

from starlette.types import Send

from gateway.upstream.client import MOST_BYTES, Answer, OutcomeUnknown, Stream
from gateway.upstream.headers import Headers, returned
from gateway.upstream.metering import Events, read_usage

#: Of a streamed answer so much is kept for its Idempotency-Key.
MOST_KEPT_BYTES = 2**20
_EXECUTION = b"x-execution-id"
_EVENTS = b"text/event-stream"


class Passage:
    """One answer on its way to the client.

    A refusal and an answer that is not `streamed` are read whole, and `begun` stays False. `execution` is upstream's
    name of the run, where its head gives one; `kept` what was passed on of a stream of events: None of other bytes,
    and of more than MOST_KEPT_BYTES. Upstream is read no faster than the client takes it, since `send` waits.
    """

    def __init__(self, send: Send, head: Headers, *, streamed: bool, hidden: bool) -> None:
        self._send = send
        self._head = head
        self._streamed = streamed
        self._events = Events(hide=hidden)
        self._usage: dict[str, object] = {}
        self.begun = False
        self.execution = ""
        self.kept: bytes | None = b""

    @property
    def usage(self) -> dict[str, object]:
        """What the answer told of its usage so far."""
        return self._usage or self._events.usage

    async def take(self, answer: Stream) -> Answer:
        """Take the answer; gives it, without the body where that was passed on. Raises OutcomeUnknown."""
        names = dict(answer.headers)
        self.execution = names.get(_EXECUTION, b"").decode("latin-1")
        if not self._streamed or not 200 <= answer.status < 300:
            body = await _whole(answer.body)
            self._usage = read_usage(body)
            return Answer(answer.status, answer.headers, body)
        events = names.get(b"content-type", b"").startswith(_EVENTS) and b"content-encoding" not in names
        self.kept = b"" if events else None
        await self._begin(answer)
        async for piece in answer.body:
            await self._more(self._events.feed(piece) if events else piece)
        await self._more(self._events.rest())
        return Answer(answer.status, answer.headers, b"")

    async def end(self) -> None:
        """Say that this was all."""
        await self._send({"type": "http.response.body", "body": b""})

    async def _begin(self, answer: Stream) -> None:
        self.begun = True
        headers = [*returned(answer.headers), *self._head]
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})

    async def _more(self, piece: bytes) -> None:
        if not piece:
            return
        if self.kept is not None:
            self.kept = self.kept + piece if len(self.kept) + len(piece) <= MOST_KEPT_BYTES else None
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})


async def _whole(pieces: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > MOST_BYTES:
            raise OutcomeUnknown(f"the answer is longer than {MOST_BYTES} bytes")
    return bytes(body)
