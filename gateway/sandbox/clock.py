"""Time as an argument: the machine's, or one that a test moves by hand."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the sandbox asks of time."""

    def time(self) -> float:
        """Seconds since 1970, UTC."""
        ...

    async def sleep_until(self, moment: float) -> None:
        """Return once `time()` has reached `moment`."""
        ...


class SystemClock:
    """The machine's clock, shifted by `offset_seconds`."""

    def __init__(self, offset_seconds: float = 0.0) -> None:
        self._offset = offset_seconds

    def time(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time() + self._offset

    async def sleep_until(self, moment: float) -> None:
        """Return once `time()` has reached `moment`: a loop, since timers may fire early."""
        while (left := moment - self.time()) > 0:  # noqa: ASYNC110 - no event marks a moment
            await asyncio.sleep(left)


class ManualClock:
    """A clock that stands still until `advance` moves it."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._moved = asyncio.Event()
        self._slept = asyncio.Event()
        self._sleepers = 0

    def time(self) -> float:
        """Seconds since 1970, UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move time forward and wake who waits for it."""
        self._now += seconds
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def sleep_until(self, moment: float) -> None:
        """Return once `advance` has brought the time to `moment`."""
        self._count(+1)
        try:
            while self._now < moment:
                await self._moved.wait()
        finally:
            self._count(-1)

    async def until_sleeping(self, sleepers: int) -> None:
        """Return once exactly that many tasks sleep on this clock."""
        while self._sleepers != sleepers:
            await self._slept.wait()

    def _count(self, change: int) -> None:
        self._sleepers += change
        slept, self._slept = self._slept, asyncio.Event()
        slept.set()
