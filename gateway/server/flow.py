"""Flow: what a connection waits by, in little memory, since thousands of connections only wait."""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl


class Flag(asyncio.Event):
    """asyncio's, but who waits stands in a list: the deque of one for which nobody waits takes 0.8 kB."""

    def __init__(self) -> None:
        super().__init__()
        self._waiters = []  # type: ignore[assignment]  # it is appended to, removed from and walked through


class Flow(FlowControl):
    """uvicorn's, with such a flag."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._is_writable_event = Flag()
        self._is_writable_event.set()
