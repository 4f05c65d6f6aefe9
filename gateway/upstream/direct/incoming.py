"""Incoming: bytes read as one answer. No I/O, so that a test can feed it anything.

What is stricter than elsewhere, since a create rests on it: an answer with Content-Length and Transfer-Encoding, or a
transfer coding other than chunked, is no answer.
"""

from collections import deque

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.upstream.headers import Headers

MOST_HEAD_BYTES = 64 * 2**10
MOST_HEADERS = 200
#: Answers such as 100 Continue and 103 Early Hints, which come before the one that counts.
MOST_INTERIM = 16
_WITHOUT_BODY = (204, 304)
#: Of an answer that has not begun; it takes none.
_NO_PIECES: deque[bytes] = deque(maxlen=0)


class Broken(Exception):
    """The bytes are not an answer, or it will never be whole."""


class Incoming:
    """One answer while it arrives. `pieces` are of its body, in the coding that came, until somebody takes them.

    `bodyless` says that the request was a HEAD, whose answer has no body whatever its headers say. `most` bounds the
    body's bytes, which `size` counts. `lasting` says that the connection can carry another exchange afterwards.
    """

    __slots__ = (
        "_begun",
        "_bodyless",
        "_head_bytes",
        "_interim",
        "_most",
        "_parser",
        "_silent",
        "_until_close",
        "has_head",
        "headers",
        "lasting",
        "pieces",
        "size",
        "status",
        "whole",
    )

    def __init__(self, *, bodyless: bool = False, most: float = float("inf")) -> None:
        self.status = 0
        self.headers: Headers = []
        self.pieces = _NO_PIECES
        self.size = 0
        self.has_head = False
        self.whole = False
        self.lasting = False
        self._bodyless = bodyless
        self._most = most
        self._until_close = False
        self._silent = 0
        self._interim = 0
        self._head_bytes = 0
        self._begun = False

    def feed(self, data: bytes) -> None:
        """Read on. Raises Broken; what comes after a whole answer only ends the connection's use."""
        if self.whole:
            self.lasting = False
            return
        size = self.size
        if not self._begun:
            self._begin()
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._judge(error)
        # The parser keeps an unfinished header, however long it is; so what brings nothing further is bounded.
        self._silent = 0 if self.size > size else self._silent + len(data)
        if self._silent > MOST_HEAD_BYTES and not self.whole:
            raise Broken(f"the head of the answer is longer than {MOST_HEAD_BYTES} bytes")

    def _begin(self) -> None:
        """Make what reads only now: an answer may be waited for as long as a run takes, by thousands."""
        self._begun, self._parser, self.pieces = True, HttpResponseParser(self), deque()

    def end(self) -> None:
        """The server has closed the connection. Raises Broken unless that is how the answer ends."""
        self.lasting = False
        if self.has_head and self._until_close:
            self.whole = True
        if not self.whole:
            raise Broken("the server closed the connection before the end of its answer")

    def _judge(self, error: Exception) -> None:
        """Blame the answer, unless it was whole before the fault."""
        self.lasting = False
        if not self.whole:
            raise Broken(f"it is no answer in HTTP/1.1: {error.__context__ or error}") from error

    def on_message_begin(self) -> None:
        """A second answer is one that nobody asked for."""
        if self.whole:
            self.lasting = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, its name in lower case; those behind a body (trailers) are dropped."""
        if self.has_head:
            return
        self._head_bytes += len(name) + len(value)
        if len(self.headers) >= MOST_HEADERS or self._head_bytes > MOST_HEAD_BYTES:
            raise Broken("the head of the answer is too long")
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Know how the body will end."""
        if self.whole:
            return
        self.status = self._parser.get_status_code()
        if 100 <= self.status < 200:
            return
        if not 200 <= self.status < 600:
            raise Broken(f"{self.status} is no status of an answer")
        self.has_head = True
        self._until_close = not self._frames()
        self.lasting = self._parser.should_keep_alive() and not self._bodyless
        if self._bodyless:
            self.whole = True

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self.whole:
            return
        self.size += len(piece)
        if self.size > self._most:
            raise Broken(f"the answer is longer than {self._most} bytes")
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        """An answer is whole, or was only an interim one."""
        if self.has_head:
            self.whole = True
            return
        self._interim += 1
        if self.status == 101 or self._interim > MOST_INTERIM:
            raise Broken(f"{self.status} is not what was asked for")
        self.headers.clear()
        self._head_bytes = 0

    def _frames(self) -> bool:
        """Tell whether the headers say where the body ends. Raises Broken."""
        named = dict(self.headers)
        coding = named.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise Broken(f"the transfer coding {coding!r} was not asked for")
        return coding is not None or b"content-length" in named or self.status in _WITHOUT_BODY
