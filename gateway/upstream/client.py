"""The client: one request to upstream, and the exact knowledge of whether a byte of it left.

There are two. DirectUpstream carries what is asked of upstream, thousands of times a second; HttpxUpstream, which
costs ten times as much, carries what is rare. The same tests run over both.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Protocol

import msgspec

from gateway.domain.window import MICROSECONDS
from gateway.upstream.headers import Headers

CONNECT_SECONDS = 5.0
#: Idle connections are given up before common servers close theirs (5 s): a create that meets a closing connection
#: is in doubt, since it cannot be sent again.
IDLE_SECONDS = 4.0
#: Answers that are read whole (creates, polls, runs) may be this long; the others are streamed.
MOST_BYTES = 32 * 2**20


class NotSent(Exception):
    """Provably no byte of the request left this host."""


class OutcomeUnknown(Exception):
    """The request was sent, or perhaps sent, and no whole answer came back."""


class Outgoing(msgspec.Struct, frozen=True):
    """One request; `url` is whole. What frames it (Host, Content-Length, Connection) is the client's to write.
    Headers that are the same in many requests may come as a tuple, and are then put into bytes once.

    `send_by` is a time of time.monotonic() after which it must not be sent any more; `answer_seconds` is how long
    the whole exchange may take.
    """

    method: str
    url: str
    headers: Headers | tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    answer_seconds: float = 30.0
    send_by: float = float("inf")


class Answer(msgspec.Struct, frozen=True):
    """A whole answer: `body` is decoded of any content coding, names of headers come in lower case."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> str | None:
        """Give the first header of that (lower-case) name."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)

    def date_us(self) -> int | None:
        """Give upstream's own time of the answer, from `Date` (whole seconds); None where that tells none."""
        try:
            moment = parsedate_to_datetime(self.header(b"date") or "")
        except ValueError:
            return None
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body arrives in pieces, in the coding that upstream sent; its headers as in Answer."""

    status: int
    headers: Headers
    body: AsyncIterator[bytes]


class Upstream(Protocol):
    """What the gateway asks of an HTTP client."""

    async def send(self, request: Outgoing) -> Answer:
        """Send a request once and read the whole answer. Raises NotSent or OutcomeUnknown."""
        ...

    def stream(self, request: Outgoing) -> AbstractAsyncContextManager[Stream]:
        """Send a request once, and hand over the answer while it arrives. Raises as `send` does."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
