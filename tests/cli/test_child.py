"""A worker's process: forked where that is safe, and heard of until it ends."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from gateway.cli.child import Child, execute, fork

#: Reads its configuration from standard input; says that it is ready if that is what it is told.
WORKER = "import os, sys; told = sys.stdin.read(); told and os.write(int(told), b'1') and sys.exit(3)"


@pytest.fixture
def child() -> Child:
    return execute((sys.executable, "-c", WORKER), os.environ, [])


async def test_a_worker_is_ready_when_it_says_so_and_its_end_is_told_as_often_as_asked(child: Child) -> None:
    child.tell(str(child.ready_fd).encode())
    assert await asyncio.wait_for(child.ready(), 20)
    assert [await asyncio.wait_for(child.ended(), 20) for _ in range(2)] == [3, 3]


async def test_a_worker_that_dies_before_it_is_told_anything_is_not_ready(child: Child) -> None:
    child.signal(9)
    assert await asyncio.wait_for(child.ended(), 20) == -9
    child.tell(b"0")
    assert not await child.ready()


async def test_a_worker_that_is_dismissed_ends(child: Child) -> None:
    child.dismiss()
    assert not await asyncio.wait_for(child.ready(), 20)
    assert await child.ended() == 0


def test_nothing_is_forked_from_a_process_with_a_second_thread() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert fork(1, lambda _: None, lambda: None) == []
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_each_fork_hears_its_own_configuration_and_its_end_is_told() -> None:
    """In a process of its own, since that of the tests has threads."""
    told = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60)
    assert (told.stdout, told.stderr) == ("[True, True] [0, 1]\n", "ValueError: b\n")


FORKING = """
import asyncio, os, sys
from gateway.cli.child import fork

def work(config_fd):
    word, ready_fd = os.fdopen(config_fd, "rb").read().decode().split()
    os.write(int(ready_fd), b"1")
    if word == "b":
        sys.tracebacklimit = 0
        raise ValueError(word)

async def main(children):
    for child, word in zip(children, "ab"):
        child.tell(f"{word} {child.ready_fd}".encode())
    print([await each.ready() for each in children], [await each.ended() for each in children])

asyncio.run(main(fork(2, work, lambda: None)))
"""
