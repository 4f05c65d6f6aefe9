"""The app in force: the one that serves by the latest policy."""

from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Scope, Send

from gateway.ledger.enactment import PolicyBehind
from gateway.server.app import GatewayApp
from gateway.server.exchange import most_body_bytes
from gateway.server.reply import Response

#: One more than the changes that a request can meet without being refused.
TRIES = 3


async def _know_better() -> None:
    """Do nothing: nobody follows the policy."""


class AppInForce:
    """Hands every request to the present app; a request keeps the one, and so the policy, with which it began.

    Except where the ledger knows of a newer policy: then nothing was decided yet, and the request begins anew once
    `catch_up` has done what it can.
    """

    def __init__(self) -> None:
        self._app: GatewayApp | None = None
        self.catch_up: Callable[[], Awaitable[None]] = _know_better

    def put(self, app: GatewayApp) -> None:
        """Put an app into force."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the present app."""
        kept = _Kept(receive, most_body_bytes(scope) if scope["type"] == "http" else 0)
        for left in reversed(range(TRIES)):
            try:
                await self._present().serve(scope, kept, send, last=not left)
            except PolicyBehind:
                await self.catch_up()
                kept.rewind()
            else:
                return

    def at_once(self, scope: Scope) -> Response | Awaitable[Response] | None:
        """Give the present app's answer to a request, now or to be waited for; None where it needs an exchange."""
        return self._present().at_once(scope)

    def _present(self) -> GatewayApp:
        if self._app is None:
            raise RuntimeError("no policy was adopted before the first request")
        return self._app


class _Kept:
    """Receives a request's messages, and can give them once more; of what is too long to be read, nothing is kept."""

    __slots__ = ("_messages", "_most", "_next", "_receive", "_size")

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        self._messages: list[Message] = []
        self._size = 0
        self._next = 0

    async def __call__(self) -> Message:
        if self._next < len(self._messages):
            message = self._messages[self._next]
        else:
            message = await self._receive()
            self._size += len(message.get("body", b""))
            if self._size > self._most:
                return message
            self._messages.append(message)
        self._next += 1
        return message

    def rewind(self) -> None:
        """Begin again with the first message."""
        self._next = 0
