"""Answers that break off: the connection is cut before, or in the middle of, the answer."""

import asyncio
from typing import cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "sandbox.transport"


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also tells the application its transport."""

    def on_message_begin(self) -> None:
        """Put the transport into the scope of the request that begins."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: cast(dict[object, object], self.transport)}


class Cut(Response):
    """No byte of an answer: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Close the connection and wait until the server knows."""
        _transport(scope).abort()
        await _disconnected(receive)


class MidAnswer(Response):
    """The headers and the first half of another answer, then the connection is closed."""

    def __init__(self, whole: Response) -> None:
        super().__init__(status_code=whole.status_code)
        self.raw_headers = whole.raw_headers
        self.body = bytes(whole.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the half, and close once it is written."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await cut(scope, receive)


async def cut(scope: Scope, receive: Receive) -> None:
    """Close the connection of an answer that has begun, once what was written is sent."""
    _transport(scope).close()
    await _disconnected(receive)


def _transport(scope: Scope) -> asyncio.Transport:
    return cast(asyncio.Transport, scope["extensions"][_EXTENSION])


async def _disconnected(receive: Receive) -> None:
    # Returning earlier would have uvicorn answer 500 for an application that did not.
    while (await receive())["type"] != "http.disconnect":
        pass
