"""The sandbox as a server of its own."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import uvicorn

from gateway.sandbox.app import create_app
from gateway.sandbox.clock import Clock
from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.transport import CuttableProtocol

STOP_SECONDS = 1


async def serve(
    config: SandboxConfig,
    *,
    clock: Clock | None = None,
    sock: socket.socket | None = None,
    on_ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set; without one, until SIGTERM or SIGINT, and return normally.

    `sock` is an already bound socket, which this function closes; without one it binds the address
    of `config`. `on_ready` is given the base URL once connections are accepted.
    Raises OSError where the address cannot be bound, MemoryInvalid where the state file cannot be used.
    """
    stopping = asyncio.Event() if stop is None else stop
    with closing(bind(config) if sock is None else sock) as listener:
        # asyncio does this only for sockets made with an explicit protocol; without it, headers and body
        # of an answer are 40 ms apart (Nagle against delayed acknowledgement).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = _Server(_uvicorn_config(config, clock), stopping)
        with _stopped_by_signals(stopping, enabled=stop is None):
            await server.run_on(listener, on_ready)


def bind(config: SandboxConfig) -> socket.socket:
    """Bind the address of `config` and listen there; port 0 is any free port. Raises OSError."""
    family = socket.AF_INET6 if ":" in config.listen_host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.listen_host, config.port))
        listener.listen()  # only this makes the port one's own: until then a second bind succeeds
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    """uvicorn, stopped by an event instead of by signal handlers and a tick."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._stop = stop
        self._on_ready: Callable[[], None] = lambda: None

    async def run_on(self, listener: socket.socket, on_ready: Callable[[str], None] | None) -> None:
        address = _base_url(listener)
        if on_ready is not None:
            self._on_ready = lambda: on_ready(address)
        # Not serve(): its signal handlers would end the process by the signal once more.
        try:
            await self._serve([listener])
        except asyncio.CancelledError:
            await self.shutdown([listener])
            raise

    async def main_loop(self) -> None:
        self._on_ready()
        await self._stop.wait()


def _uvicorn_config(config: SandboxConfig, clock: Clock | None) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(config, clock=clock),
        http=CuttableProtocol,
        ws="none",
        lifespan="on",
        date_header=False,  # the application sends one in its own clock
        server_header=False,
        access_log=False,
        log_config=None,
        log_level="error",
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _stopped_by_signals(stop: asyncio.Event, *, enabled: bool) -> Iterator[None]:
    signals = (signal.SIGTERM, signal.SIGINT) if enabled else ()
    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
