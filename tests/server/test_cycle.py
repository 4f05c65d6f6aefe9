"""An answer leaves in as few writes as can be."""

import asyncio

from gateway.server.cycle import Cork


class Written(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: object) -> None:
        self.pieces.append(bytes(data))  # type: ignore[call-overload]

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def test_a_head_leaves_with_the_body_behind_it() -> None:
    written = Written()
    cork = Cork(written)
    cork.write(b"HTTP/1.1 100 Continue")
    cork.hold()
    cork.write(b"head;")
    assert written.pieces == [b"HTTP/1.1 100 Continue"]
    cork.write(b"body")
    cork.write(b"more")
    assert written.pieces == [b"HTTP/1.1 100 Continue", b"head;body", b"more"]


def test_a_head_without_a_body_leaves_with_an_empty_one_or_with_the_end() -> None:
    for end in (lambda cork: cork.write(b""), lambda cork: cork.close()):
        written = Written()
        cork = Cork(written)
        cork.hold()
        cork.write(b"head")
        end(cork)
        assert written.pieces == [b"head"]
    assert cork.is_closing()
