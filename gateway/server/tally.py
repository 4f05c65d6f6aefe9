"""The tally of requests: each is counted and has its line in the log, written once a turn of the loop for all."""

import asyncio
import itertools
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec
from starlette.types import Scope

from gateway.telemetry import Telemetry

#: Takes the log's lines of one turn: JSON objects, without what every line of a log begins with.
RequestLog = Callable[[Sequence[bytes]], None]

_KEY = re.compile(rb"elg_[0-9A-Za-z]{16,}")
_KEY_BEGINS = b"elg_"


class Tally:
    """Counts and logs what was answered; without a log it only counts."""

    def __init__(self, telemetry: Telemetry, request_log: RequestLog | None) -> None:
        self._telemetry = telemetry
        self._request_log = request_log
        self._counting: dict[tuple[str, int], Callable[[Sequence[float]], None]] = {}
        self._seconds: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
        self._lines: list[bytes] = []

    def add(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        """Add the request of a scope; it is in the metrics and in the log before the loop waits again."""
        if not self._seconds:
            asyncio.get_running_loop().call_soon(self._write)
        self._seconds[route, status].append(seconds)
        if self._request_log is not None:
            line = {
                "request_id": scope["state"]["request_id"],
                "method": scope["method"],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 2),
                **scope["state"]["facts"],
            }
            self._lines.append(_without_keys(msgspec.json.encode(line)))

    def _write(self) -> None:
        ended, self._seconds = self._seconds, defaultdict(list)
        lines, self._lines = self._lines, []
        for (route, status), seconds in ended.items():
            count = self._counting.get((route, status))
            if count is None:
                count = self._counting[route, status] = self._telemetry.counting(route, str(status))
            count(seconds)
        if self._request_log is not None:
            self._request_log(lines)


class RequestIds:
    """Makes ids of requests, unlike those of any other process: what is random is drawn once."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(12)
        self._numbers = itertools.count(1)

    def make(self) -> str:
        """Make the next id."""
        return f"{self._process}-{next(self._numbers):x}"


def _without_keys(line: bytes) -> bytes:
    """Hide keys: a client may put its own into anything that it names, and none is ever written down."""
    return _KEY.sub(b"elg_***", line) if _KEY_BEGINS in line else line
