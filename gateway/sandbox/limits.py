"""The limits of each key: creates in any 60 seconds, and the most that it ever came to."""

import math
from collections import deque

WINDOW_SECONDS = 60.0


class RateLog:
    """The times of each key's creates: those let in decide, all that arrived are for the books."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._admitted: dict[str, deque[float]] = {}
        self._arrived: dict[str, deque[float]] = {}
        self.peaks: dict[str, int] = {}
        """The most creates that arrived in any 60 seconds, by key, refused ones included."""

    def arrive(self, key: str, now: float) -> None:
        """Note a create, whatever becomes of it."""
        times = _recent(self._arrived, key, now)
        times.append(now)
        self.peaks[key] = max(self.peaks.get(key, 0), len(times))

    def admit(self, key: str, now: float) -> int | None:
        """Let a create in and return None, or return the seconds until one is let in."""
        times = _recent(self._admitted, key, now)
        if len(times) < self._per_minute:
            times.append(now)
            return None
        return seconds_until(times[0] + WINDOW_SECONDS if times else now + WINDOW_SECONDS, now)


def seconds_until(moment: float, now: float) -> int:
    """Whole seconds to wait, as Retry-After has them."""
    return max(1, math.ceil(moment - now))


def _recent(log: dict[str, deque[float]], key: str, now: float) -> deque[float]:
    times = log.setdefault(key, deque())
    while times and now - times[0] >= WINDOW_SECONDS:
        times.popleft()
    return times
