"""A steady stream of requests, each sent at its time whatever became of the others; run as a program of its own."""

import asyncio
import json
import statistics
import sys
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 64
#: How long after the last request an answer may come; what comes later has failed.
LATE_SECONDS = 2.0


class Lane(asyncio.Protocol):
    """One connection; requests wait in it for the answers before them."""

    def __init__(self, took: list[float], failed: list[int]) -> None:
        self.waiting: deque[float] = deque()
        self.transport: asyncio.Transport | None = None
        self._took = took
        self._failed = failed
        self._rest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP
        """Keep what requests go to."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take every answer that is whole."""
        self._rest += data
        while (length := _whole(self._rest)) and self.waiting:
            if not self._rest.startswith(b"HTTP/1.1 2"):
                self._failed.append(1)
            self._took.append(time.perf_counter() - self.waiting.popleft())
            self._rest = self._rest[length:]


def _whole(data: bytes) -> int:
    """Give the length of the first answer if it is whole, else 0; of lengths and chunks."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = data[:end].lower()
    at = head.find(b"content-length:")
    if at >= 0:
        length = end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        return length if len(data) >= length else 0
    last = data.find(b"0\r\n\r\n", end)
    return last + 5 if last >= 0 else 0


async def _send(asked: dict[str, object]) -> tuple[int, int, float, float, float]:
    parts, call, rate = urlsplit(str(asked["url"])), asked["call"], int(str(asked["rate"]))
    assert isinstance(call, dict)  # noqa: S101 (as `load` writes it)
    took: list[float] = []
    failed: list[int] = []
    loop, total = asyncio.get_running_loop(), rate * int(str(asked["seconds"]))
    lanes = [
        (await loop.create_connection(lambda: Lane(took, failed), str(parts.hostname), int(parts.port or 80)))[1]
        for _ in range(CONNECTIONS)
    ]
    requests = [_written(call, path, parts.netloc) for path in call["paths"]]
    begun = time.perf_counter()
    for number in range(total):
        due = begun + number / rate
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        lane = min(lanes, key=lambda each: len(each.waiting))
        lane.waiting.append(due)
        assert lane.transport is not None  # noqa: S101 (it is connected)
        lane.transport.write(requests[number % len(requests)])
    await asyncio.sleep(LATE_SECONDS if any(lane.waiting for lane in lanes) else 0)
    lost = total - len(took)
    percentiles = statistics.quantiles([*took, *[LATE_SECONDS] * max(lost, 2)] if lost else took, n=100)
    return total, len(failed) + lost, float(rate), percentiles[49] * 1000, percentiles[98] * 1000


def _written(call: dict[str, object], path: str, host: str) -> bytes:
    headers, body = call["headers"], str(call["body"])
    assert isinstance(headers, dict)  # noqa: S101 (as `load` writes it)
    lines = [f"{call['method']} {path} HTTP/1.1", f"host: {host}", *(f"{k}: {v}" for k, v in headers.items())]
    lines += [f"content-length: {len(body)}"] if body else []
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_send(json.loads(Path(sys.argv[1]).read_text())))))
