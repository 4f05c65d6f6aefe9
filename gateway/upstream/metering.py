"""Metering: what an answer tells of its usage, read from the whole of it or from its events while they pass."""

import re
from typing import Any

import msgspec

#: An event that is longer is passed on unread, and so is all that follows it.
MOST_EVENT_BYTES = 2**20
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")

_Fields = dict[str, msgspec.Raw]


class _Answer(msgspec.Struct):
    usage: dict[str, Any] | None = None


def read_usage(body: bytes) -> dict[str, Any]:
    """Give the usage of a whole answer; empty where it tells none."""
    try:
        return msgspec.json.decode(body, type=_Answer).usage or {}
    except (ValueError, RecursionError):
        return {}


class Events:
    """Server-sent events on their way: each is passed on once it is whole, as it came.

    `usage` is the last that was told. Where it is to be hidden, it is taken out of the events, and an event that has
    nothing else is left out.
    """

    def __init__(self, *, hide: bool) -> None:
        self.usage: dict[str, Any] = {}
        self._hide = hide
        self._open = b""
        self._unread = False

    def feed(self, piece: bytes) -> bytes:
        """Take what arrived, and give what is to be passed on by now."""
        if self._unread:
            return piece
        self._open += piece
        passed, start = [], 0
        for end in _END.finditer(self._open):
            passed.append(self._read(self._open[start : end.end()]))
            start = end.end()
        self._open = self._open[start:]
        if len(self._open) > MOST_EVENT_BYTES:
            self._unread = True
            passed.append(self.rest())
        return b"".join(passed)

    def rest(self) -> bytes:
        """Give what is left of an event without an end."""
        left, self._open = self._open, b""
        return left

    def _read(self, event: bytes) -> bytes:
        if b'"usage"' not in event:
            return event
        data = b"\n".join(line[5:].lstrip(b" ") for line in _LINE.split(event) if line.startswith(b"data:"))
        try:
            fields = msgspec.json.decode(data, type=_Fields)
            self.usage = msgspec.json.decode(fields.pop("usage"), type=dict[str, Any] | None) or self.usage
        except (ValueError, KeyError, RecursionError):
            return event
        if not self._hide:
            return event
        if bytes(fields.get("choices", b"")) == b"[]":
            return b""
        return b"data: " + msgspec.json.encode(fields) + b"\n\n"
