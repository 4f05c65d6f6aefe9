"""A reply: an answer that is there as a whole, and how it is written to a connection."""

import string
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.upstream.headers import Headers

#: Says that the connection ends with the answer.
CLOSE = (b"connection", b"close")

#: What may stand in a name, and what in no line: all control characters but the tab (RFC 9110, section 5).
_NAMES = (string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode()
_CONTROLS = bytes({*range(32), 127} - {ord("\t")})


class Reply(msgspec.Struct):
    """Status, headers but for those that say how it is transferred, and body; it may be written many times."""

    status: int
    headers: Headers
    body: bytes
    _head: bytes = b""

    def written(self, more: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Write it as HTTP/1.1, with more headers that are known to be well-formed.

        Raises RuntimeError for one of its own that would be read as something else.
        """
        if not self._head:
            lines = write_headers([*self.headers, (b"content-length", b"%d" % len(self.body))])
            self._head = STATUS_LINE[self.status] + lines
        return b"".join((self._head, *[b"%b: %b\r\n" % header for header in more], b"\r\n", self.body))


class Response(NamedTuple):
    """A reply to one request, with the headers that are this request's alone; they are known to be well-formed."""

    reply: Reply
    own: Headers

    def written(self, more: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Write it with more headers, as Reply does."""
        return self.reply.written((*more, *self.own))


def write_headers(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write headers. Raises RuntimeError for one that would be read as something else."""
    each = [b"%b: %b\r\n" % header for header in headers]
    lines = b"".join(each)
    names, plain = dict(headers), lines.translate(None, _CONTROLS)  # without the ends of the lines
    if len(plain) != len(lines) - 2 * len(each) or b"" in names or b"".join(names).translate(None, _NAMES):
        raise RuntimeError("a header of an answer has a byte that no header may have")
    return lines
