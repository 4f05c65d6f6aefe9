"""Serving: uvicorn, stopped by an event, on sockets that are already bound."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.server.protocol import AtOnce, BoundedProtocol

#: How long requests in flight may go on after a worker was asked to stop; a synchronous run takes up to 300 s.
GRACE_SECONDS = 310


def bind(host: str, port: int) -> socket.socket:
    """Bind an address and listen on it; port 0 takes a free one. Raises OSError if it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, the event loop sends small answers at once (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what is accepted
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener


def address(listener: socket.socket) -> str:
    """Write the address of a bound socket as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve_app(
    app: ASGIApp,
    listeners: Sequence[socket.socket],
    stop: asyncio.Event,
    on_ready: Callable[[], None],
    at_once: AtOnce | None = None,
) -> None:
    """Serve until `stop` is set, then let what is in flight end; `on_ready` is called once it accepts.

    `at_once` is asked first, for requests without a body; what it gives no answer to goes to the app.
    """
    # Who may tell the client's scheme is uvicorn's setting (FORWARDED_ALLOW_IPS, else 127.0.0.1) and its reading.
    allowed = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
    proxies = ProxyHeadersMiddleware(app, allowed).trusted_hosts  # type: ignore[arg-type]  # the app is not called
    config = uvicorn.Config(
        app,
        http=partial(BoundedProtocol, at_once=at_once, proxies=proxies),  # type: ignore[arg-type]  # called only
        proxy_headers=False,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    await _Server(config, stop, on_ready).run(listeners)


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the process that owns the sockets decides when to stop."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop
        self._on_ready = on_ready

    async def run(self, listeners: Sequence[socket.socket]) -> None:  # type: ignore[override]  # ours is awaited
        await self._serve(list(listeners))

    async def main_loop(self) -> None:
        self._on_ready()
        stopped = asyncio.ensure_future(self._stop.wait())
        stopped.add_done_callback(lambda _: setattr(self, "should_exit", True))
        await super().main_loop()
