"""Virtual time: an event loop that never waits. When nothing is ready its clock jumps to the next timer.

Nothing in a simulated world does real I/O inside the loop (the store is called synchronously, between two events),
so the order of events follows from the timers alone, and a seed replays.
"""

import asyncio
import selectors
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stuck(Exception):
    """Nothing is ready and no timer is set: every task waits for ever."""


class _Jumping(selectors.SelectSelector):
    """Instead of waiting for a socket, moves the loop's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck("every task waits, and no timer is set")
        self.now += max(timeout, 0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time is simulated; it begins at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class _Time:
    """Stands for the module `time` in the gateway's modules."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.monotonic = self.perf_counter = loop.time

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"time.{name} is not simulated")


@contextmanager
def simulated_time(loop: VirtualLoop) -> Iterator[None]:
    """Give every module of the gateway the loop's time instead of the machine's."""
    modules = [m for name, m in sys.modules.items() if name.startswith("gateway.") and vars(m).get("time") is time]
    fake: Any = _Time(loop)
    for module in modules:
        module.time = fake  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in modules:
            module.time = time  # type: ignore[attr-defined]
