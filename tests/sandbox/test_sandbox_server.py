import asyncio
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from gateway.sandbox import SandboxConfig, SystemClock, bind, serve

PROGRAM = """
import asyncio
from gateway.sandbox import SandboxConfig, serve
asyncio.run(serve(SandboxConfig(seconds=60), on_ready=lambda url: print(url, flush=True)))
"""

BODY = b'{"model":"eachlabs-bg-remover-v1","input":{"image_url":"https://example.com/a.png"}}'
HELD_RUN = b"POST /v1/prediction/run HTTP/1.1\r\nHost: sandbox\r\nX-API-Key: k\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


def test_sigterm_stops_it_cleanly_even_while_a_run_is_held():
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
        url = program.stdout.readline().strip()
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as held:
            held.sendall(HELD_RUN)
            while httpx.get(f"{url}/sandbox/books", trust_env=False).json()["totals"]["creates"] < 1:
                pass
            program.send_signal(signal.SIGTERM)
            assert program.wait(10) == 0


async def test_it_serves_on_a_socket_that_is_already_bound():
    listener = bind(SandboxConfig())
    port = listener.getsockname()[1]
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    config = SandboxConfig(port=1)
    task = asyncio.create_task(serve(config, sock=listener, stop=stop, on_ready=ready.set_result))
    assert await ready == f"http://127.0.0.1:{port}"
    stop.set()
    await task
    assert listener.fileno() == -1


async def test_a_cancelled_server_closes_its_socket():
    listener = bind(SandboxConfig())
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(SandboxConfig(), sock=listener, stop=asyncio.Event(), on_ready=ready.set_result))
    await ready
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert listener.fileno() == -1


async def test_an_address_in_use_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await serve(SandboxConfig(port=taken.getsockname()[1]))


async def test_the_system_clock_never_wakes_early():
    clock = SystemClock(offset_seconds=3600)
    moment = clock.time() + 0.01
    await clock.sleep_until(moment)
    assert clock.time() >= moment
