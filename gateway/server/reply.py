"""A reply: an answer that is there as a whole, and how it is written to a connection."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.upstream.headers import Headers

_LINES = re.compile(rb"(?:[!#-'*+.^_`|~0-9A-Za-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")


class Reply(NamedTuple):
    """Status, headers but for those that say how it is transferred, and body."""

    status: int
    headers: Headers
    body: bytes

    def written(self, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Write it as HTTP/1.1. Raises RuntimeError for a header that would be read as something else."""
        headers = [*default_headers, *self.headers]
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        if lines.count(b"\n") != len(headers) or not _LINES.fullmatch(lines):
            raise RuntimeError("a header of an answer has a byte that no header may have")
        length = b"content-length: %d\r\n\r\n" % len(self.body)
        return b"".join((STATUS_LINE[self.status], lines, length, self.body))
