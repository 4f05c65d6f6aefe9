"""What a connection waits by: it wakes whoever waits, and takes little memory where nobody does."""

import asyncio
import socket
import tracemalloc

from gateway.server.flow import Flag
from gateway.server.serving import bind, serve_app
from server.way import HEAD, Way

CONNECTIONS = 50
#: Of a connection's own objects, without transport and socket: 3,100, and 5,700 with uvicorn's and asyncio's deques.
MOST_BYTES = 4_600


async def test_a_flag_wakes_all_who_wait() -> None:
    flag = Flag()
    waiting = [asyncio.ensure_future(flag.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    flag.set()
    assert await asyncio.gather(*waiting) == [True, True, True]
    assert flag.is_set()


async def test_a_flag_forgets_who_waits_no_more() -> None:
    flag = Flag()
    gone, waiting = asyncio.ensure_future(flag.wait()), asyncio.ensure_future(flag.wait())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    flag.set()
    assert await waiting
    assert gone.cancelled()


async def test_a_connection_that_waits_for_its_next_request_takes_little_memory() -> None:
    way, listener, stop, ready = Way(), bind("127.0.0.1", 0), asyncio.Event(), asyncio.Event()
    serving = asyncio.ensure_future(serve_app(way, [listener], stop, ready.set, way.at_once))
    await ready.wait()
    port = listener.getsockname()[1]
    clients = [await _answered(port) for _ in range(CONNECTIONS)]  # for what only the first ones take
    tracemalloc.start()
    try:
        clients += [await _answered(port) for _ in range(CONNECTIONS)]
        taken = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
        for client in clients:
            client.close()
        stop.set()
        await serving
    places = ("*/uvicorn/*.py", "*/gateway/server/*.py", "*/asyncio/locks.py")
    own = [tracemalloc.Filter(True, place) for place in places]
    each = sum(line.size for line in taken.filter_traces(own).statistics("filename")) / CONNECTIONS
    assert 500 < each < MOST_BYTES


async def _answered(port: int) -> socket.socket:
    """Open a connection that has had one answer."""
    loop, client = asyncio.get_running_loop(), socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, b"GET /now HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 200")
    return client
