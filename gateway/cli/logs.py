"""Logs: one JSON object a line on standard error."""

import json
import logging
import os
import select
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

#: What requests are logged as; no logger has the name, since a record of each would cost more than a poll.
REQUESTS = "gateway.requests"
#: Loggers whose messages are JSON objects.
MERGED = ("gateway.alerts",)


class JsonLines(logging.Formatter):
    """Writes time, level, logger and message; a message that is JSON itself (an alert) is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        message = record.getMessage()
        if record.name in MERGED:  # two objects are made one without being read
            return f"{json.dumps(line)[:-1]}, {message[1:]}"
        line["message"] = message
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class RequestLines:
    """Writes the lines of requests, as a log record of each would be written, but one time of writing for all.

    What is written at once is at most PIPE_BUF long, so that in a pipe of several workers no line is torn. While a
    pipe is full the worker waits for its reader, and loses no line.
    """

    def __init__(self, descriptor: int, clock: Callable[[], float] = time.time) -> None:
        self._descriptor = descriptor
        self._clock = clock
        self._second = -1
        self._stamp = ""

    def __call__(self, objects: Sequence[bytes]) -> None:
        """Write JSON objects, a line each, as said at this time."""
        head = f'{{"time": "{self._time()}", "level": "info", "logger": "{REQUESTS}", '.encode()
        for piece in _pieces(head + each[1:] + b"\n" for each in objects):
            self._write(piece)

    def _time(self) -> str:
        """Write the time as a record's is; the date is put into words once a second."""
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        return f"{self._stamp}.{int((now - second) * 1000):03}+00:00"

    def _write(self, piece: bytes) -> None:
        with suppress(OSError):  # where nobody reads the log any more, the gateway goes on
            while piece:
                try:
                    piece = piece[os.write(self._descriptor, piece) :]
                except BlockingIOError:  # a pipe that another process has set so
                    select.select((), (self._descriptor,), ())


def _pieces(lines: Iterable[bytes]) -> Iterable[bytes]:
    """Join lines to pieces of at most PIPE_BUF bytes; a longer line is a piece of its own."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > select.PIPE_BUF:
            yield b"".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    yield b"".join(piece)


def log_to_stderr(level: int) -> RequestLines:
    """Send what the gateway logs to standard error; libraries speak up from warnings on. Gives where requests go."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("gateway").setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every form that a client broke
    return RequestLines(sys.stderr.fileno())
