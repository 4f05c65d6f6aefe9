"""Deferred: a request whose answer is written as a whole once it is there, by a task and no app around it."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.server.reply import CLOSE, Response
from gateway.upstream.headers import Headers


class _Unheard:
    """Takes word of what the client does, for nobody: a request without a body has nothing more to receive."""

    def set(self) -> None:
        """Tell nobody."""


class Deferred:
    """A request in work: what uvicorn's cycle is to its connection, which sets and reads the attributes.

    A client that hangs up changes nothing: what it waited for may be what others wait for.
    """

    message_event = _Unheard()

    def __init__(
        self,
        response: Awaitable[Response],
        transport: asyncio.Transport,
        default_headers: Headers,
        on_response: Callable[[], None],
    ) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True
        self._response = response
        self._transport = transport
        self._default_headers = default_headers
        self._on_response = on_response

    async def run(self) -> None:
        """Wait for the answer, and write it; where it cannot be had the connection ends."""
        try:
            response = await self._response
            more = self._default_headers if self.keep_alive else [*self._default_headers, CLOSE]
            if not self._transport.is_closing():
                self._transport.write(response.written(more))
        except BaseException:  # every failure has its answer; this is a fault, or a stop that waits no longer
            self._transport.close()
            raise
        self.response_complete = True
        if not self.keep_alive:
            self._transport.close()
        self._on_response()
