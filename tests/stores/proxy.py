"""A way between a client and a server that a test can lead elsewhere, cut, or hold up at a message."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

#: Told each piece of a connection before it is passed on, and whether it goes to the server.
Watch = Callable[[bytes, bool], Awaitable[None]]


async def _let_pass(_piece: bytes, _to_server: bool) -> None:
    return


def _nobody() -> Watch:
    return _let_pass


class Proxy:
    """Carries bytes between clients and the port of a server, in pieces as they come: mostly a message each.

    `watch` makes what watches one connection.
    """

    def __init__(self, target: int, watch: Callable[[], Watch]) -> None:
        self._target = target
        self._watch = watch
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def lead_to(self, target: int) -> None:
        """Connect to another port from now on; what is connected is cut."""
        self._target = target
        for task in self._tasks:
            task.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        async with AsyncExitStack() as stack:
            stack.callback(self._tasks.discard, task)
            stack.push_async_callback(_close, writer)
            with suppress(OSError, asyncio.CancelledError):
                to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
                stack.push_async_callback(_close, to_writer)
                watch = self._watch()
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(reader, to_writer, watch, True))
                    both.create_task(_pump(to_reader, writer, watch, False))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch, to_server: bool) -> None:
    with suppress(OSError):
        while piece := await reader.read(2**16):
            await watch(piece, to_server)
            writer.write(piece)
            await writer.drain()
    writer.close()  # the other side ends too, and its pump with it


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def proxy(target: int, watch: Callable[[], Watch] = _nobody) -> AsyncIterator[Proxy]:
    """Run a proxy in front of a port."""
    opened = Proxy(target, watch)
    opened._server = await asyncio.start_server(opened._carry, "127.0.0.1", 0)
    try:
        yield opened
    finally:
        opened._server.close()
        opened.lead_to(0)
        await asyncio.gather(*opened._tasks, return_exceptions=True)
