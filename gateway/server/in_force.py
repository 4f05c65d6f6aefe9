"""The app in force: the one that serves by the latest policy."""

from starlette.types import Receive, Scope, Send

from gateway.server.app import GatewayApp


class AppInForce:
    """Hands every request to the present app; a request keeps the one, and so the policy, with which it began."""

    def __init__(self) -> None:
        self._app: GatewayApp | None = None

    def put(self, app: GatewayApp) -> None:
        """Put an app into force."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the present app."""
        if self._app is None:
            raise RuntimeError("no policy was adopted before the first request")
        await self._app(scope, receive, send)
