"""A request and its answer, on its way from the app to the connection: uvicorn's, with fewer writes."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Cork:
    """Holds the head of an answer back until its body is there: one write, and one packet, in place of two."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holds = False
        self._held = b""
        self.is_closing = transport.is_closing

    def hold(self) -> None:
        """Keep what is written next until there is more, or the end."""
        self._holds = True

    def write(self, data: bytes) -> None:
        """Write, or keep, behind what was kept."""
        if self._holds:
            self._holds, self._held = False, data
            return
        if self._held:
            data, self._held = self._held + data, b""
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection behind what was kept."""
        if self._held:
            self.write(b"")
        self._transport.close()


class Cycle(RequestResponseCycle):
    """uvicorn's, but head and body leave together. A streamed answer tells no length, and its head leaves at once."""

    transport: Any  # a Cork, which has what uvicorn uses of a transport

    async def send(self, message: Any) -> None:
        """Take a message of the app's; holds the head of an answer whose length says that its body is there."""
        if message["type"] == "http.response.start" and self.scope["method"] != "HEAD":
            for name, _ in message.get("headers", ()):
                if name == b"content-length":
                    self.transport.hold()
        await super().send(message)
