"""What the stub upstream has made, and its list of executions: the newest first, by pages, between two times."""

import time
from array import array
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime
from urllib.parse import parse_qs

import msgspec

from benchmarks.speed.peers.peer import MODEL

ENDED, RUNS = b"done", b"runs"
#: What upstream gives where no limit is asked for, and at the most.
PAGE, LONGEST_PAGE = 20, 100


class Made:
    """Numbers predictions from 1, and keeps of each when it was made and whether it has ended."""

    def __init__(self) -> None:
        self._times = array("d")
        self._ended = bytearray()

    def __len__(self) -> int:
        return len(self._times)

    def add(self, *, ended: bool) -> bytes:
        """Make one; gives its name."""
        self._times.append(time.time())
        self._ended.append(ended)
        return self._name(len(self._times) - 1)

    def page(self, query: str) -> bytes:
        """Write a page of the list (GET `/v1/executions?limit=&offset=&from=&to=`)."""
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        limit, offset = min(int(asked.get("limit", PAGE)), LONGEST_PAGE), int(asked.get("offset", 0))
        first = bisect_left(self._times, _seconds(asked["from"])) if "from" in asked else 0
        end = bisect_right(self._times, _seconds(asked["to"])) if "to" in asked else len(self)
        newest = max(end - offset, first)
        rows = [self._row(index) for index in reversed(range(max(newest - limit, first), newest))]
        told = {"executions": rows, "total_count": max(end - first, 0), "offset": offset, "limit": limit}
        return msgspec.json.encode(told)

    def _row(self, index: int) -> dict[str, object]:
        ended, at = bool(self._ended[index]), datetime.fromtimestamp(self._times[index], UTC).isoformat()
        row = {"id": self._name(index).decode(), "model": MODEL, "created_at": at}
        if ended:
            return row | {"status": "success", "run_time": 1.5, "execution_cost": 0.014, "completed_at": at}
        return row | {"status": "starting", "run_time": 0, "execution_cost": 0, "completed_at": None}

    def _name(self, index: int) -> bytes:
        return b"%b-%d" % (ENDED if self._ended[index] else RUNS, index + 1)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
