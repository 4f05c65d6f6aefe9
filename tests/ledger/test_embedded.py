"""The supervision of the embedded store, tried on real servers."""

import asyncio
import logging
import os
import re
import signal
import stat
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.ledger.embedded import EmbeddedStore, StoreFailed, StoreInUse, find_server, opened, running_url

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel has no parent-death signal")

GATEWAY = """
import asyncio, sys, uvloop
from pathlib import Path
from gateway.ledger.embedded import EmbeddedStore

async def main():
    async with EmbeddedStore(Path(sys.argv[2]), Path(sys.argv[3])) as store:
        print(store.pid, flush=True)
        await asyncio.Event().wait()

with asyncio.Runner(loop_factory=uvloop.new_event_loop if sys.argv[1] == "uvloop" else None) as runner:
    runner.run(main())
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="store-") as folder:  # pytest's own is too long for a socket on macOS
        yield Path(folder, "data")


@pytest.fixture(scope="module")
def binary() -> Path:
    return find_server(os.environ.get("TEST_STORE_SERVER"))


@pytest.fixture
async def store(data_dir: Path, binary: Path) -> AsyncIterator[EmbeddedStore]:
    async with EmbeddedStore(data_dir, binary) as running:
        yield running


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(url, decode_responses=True) as connected:
        yield connected


@asynccontextmanager
async def watched(store: EmbeddedStore) -> AsyncIterator[None]:
    task = asyncio.create_task(store.watch())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def gateway(data_dir: Path, binary: Path, loop: str = "asyncio") -> AsyncIterator[tuple[Process, int]]:
    """Run a gateway process with a store; gives it and the pid of its server."""
    words = (sys.executable, "-c", GATEWAY, loop, str(data_dir), str(binary))
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE)
    assert process.stdout is not None
    yield process, int(await process.stdout.readline())
    if process.returncode is None:
        process.kill()
    await process.wait()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def directory(path: Path, permissions: int) -> None:
    path.mkdir()
    path.chmod(permissions)


def program(data_dir: Path, text: str) -> Path:
    """Write a program beside the data directory."""
    path = data_dir.with_name("server")
    path.write_text(text)
    path.chmod(0o755)
    return path


def journals(data_dir: Path) -> list[Path]:
    """Give the append-only files, the one being written last."""
    files = [path for path in data_dir.rglob("appendonly.aof*") if path.suffix != ".manifest"]
    return sorted(files, key=lambda path: ".incr." in path.name)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


async def crash(store: EmbeddedStore) -> None:
    """Kill the server and wait until it was replaced."""
    crashed = store.pid
    assert crashed is not None
    os.kill(crashed, signal.SIGKILL)
    await until(lambda: store.pid != crashed)


async def value_once_up(url: str, key: str) -> bytes | str | None:
    """Read a key as soon as the store answers."""
    async with asyncio.timeout(10), client(url) as redis:
        while True:
            with suppress(RedisConnectionError):
                return await redis.get(key)
            await asyncio.sleep(0.005)


async def ended(pid: int) -> None:
    """Wait until a process that is nobody's child here has ended."""
    fd, over = os.pidfd_open(pid), asyncio.Event()
    asyncio.get_running_loop().add_reader(fd, over.set)
    try:
        await asyncio.wait_for(over.wait(), 10)
    finally:
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)


async def test_an_acknowledged_write_is_on_the_disk_and_records_stay_compact(store: EmbeddedStore) -> None:
    expected = {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-use-rdb-preamble": "yes",
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory": "0",
        "maxmemory-policy": "noeviction",
        "hash-max-ziplist-entries": "64",
        "hash-max-ziplist-value": "512",
    }
    async with client(store.url) as redis:
        in_force = await redis.config_get()
        await redis.hset("record", mapping={f"field{i}": "x" * 512 for i in range(64)})
        assert {name: in_force[name] for name in expected} == expected
        assert await redis.object("encoding", "record") in ("listpack", "ziplist")


async def test_only_the_owner_reaches_directory_and_socket(store: EmbeddedStore, data_dir: Path) -> None:
    assert (mode(data_dir), mode(data_dir / "store.sock")) == (0o700, 0o600)


async def test_an_existing_directory_becomes_the_owners_alone(data_dir: Path, binary: Path) -> None:
    directory(data_dir, 0o755)
    async with EmbeddedStore(data_dir, binary):
        assert mode(data_dir) == 0o700


async def test_a_directory_shared_by_all_users_is_refused_and_left_as_it_is(data_dir: Path, binary: Path) -> None:
    directory(data_dir, 0o1777)
    with pytest.raises(StoreFailed, match="of this user's own"):
        await EmbeddedStore(data_dir, binary).start()
    assert mode(data_dir) == 0o1777


async def test_a_path_with_spaces_and_signs_works(data_dir: Path, binary: Path) -> None:
    async with EmbeddedStore(data_dir / "a b#c?%25'\"ü", binary) as store, client(store.url) as redis:
        assert await redis.ping()


async def test_the_terminals_signals_do_not_reach_the_server(store: EmbeddedStore) -> None:
    assert store.pid is not None
    assert os.getsid(store.pid) == store.pid != os.getsid(0)


async def test_data_survives_a_kill_of_the_server(data_dir: Path, binary: Path) -> None:
    async with EmbeddedStore(data_dir, binary) as first, client(first.url) as redis:
        await redis.set("spent", "42")
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
    async with EmbeddedStore(data_dir, binary) as second:
        assert await value_once_up(second.url, "spent") == "42"


async def test_a_killed_server_is_restarted_with_its_data(store: EmbeddedStore) -> None:
    async with watched(store):
        async with client(store.url) as redis:
            await redis.set("spent", "42")
        await crash(store)
        assert await value_once_up(store.url, "spent") == "42"


async def test_a_server_that_keeps_crashing_is_restarted_ever_later(
    store: EmbeddedStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(store):
        for _ in range(3):
            await crash(store)
    delays = [r.getMessage().rpartition("restart in ")[2] for r in caplog.records if r.levelno == logging.ERROR]
    assert delays == ["0.1 s", "0.2 s", "0.4 s"]


async def test_a_restart_that_fails_is_repeated(
    data_dir: Path, binary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = program(data_dir, f'#!/bin/sh\nexec {binary} "$@"\n')
    async with EmbeddedStore(data_dir, server) as store, watched(store):
        server.chmod(0o600)
        assert store.pid is not None
        os.kill(store.pid, signal.SIGKILL)
        await until(lambda: "was not restarted" in caplog.text)
        server.chmod(0o700)
        assert await value_once_up(store.url, "nothing") is None


async def test_watching_ends_with_the_stop_of_the_store(data_dir: Path, binary: Path) -> None:
    async with EmbeddedStore(data_dir, binary) as store:
        watching = asyncio.create_task(store.watch())
        await asyncio.sleep(0)  # it waits for the server now
    await asyncio.wait_for(watching, 5)
    assert running_url(data_dir) is None


async def test_a_second_start_is_refused_while_the_first_runs_and_admitted_after(
    data_dir: Path, binary: Path
) -> None:
    second = EmbeddedStore(data_dir, binary, lock_wait_s=0.05)
    async with EmbeddedStore(data_dir, binary) as first:
        with pytest.raises(StoreInUse, match=f"in use by process {os.getpid()}, .* {first.pid}"):
            await second.start()
        async with client(first.url) as redis:
            assert await redis.ping()
    async with second, client(second.url) as redis:
        assert await redis.ping()


async def test_a_start_waits_for_a_store_that_is_ending(data_dir: Path, binary: Path) -> None:
    first = EmbeddedStore(data_dir, binary)
    await first.start()
    second = EmbeddedStore(data_dir, binary)
    starting = asyncio.create_task(second.start())
    await asyncio.sleep(0)  # it waits for the lock now
    await first.stop()
    await starting
    assert running_url(data_dir) == second.url
    await second.stop()


@linux_only
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_killed_gateway_leaves_no_server_and_the_next_starts_at_once(
    data_dir: Path, binary: Path, loop: str
) -> None:
    async with gateway(data_dir, binary, loop) as (process, server):
        process.kill()
        await ended(server)
        async with EmbeddedStore(data_dir, binary, lock_wait_s=0.05) as store, client(store.url) as redis:
            assert await redis.ping()


@linux_only
async def test_the_server_of_a_killed_gateway_keeps_others_out_while_it_lives(data_dir: Path, binary: Path) -> None:
    async with gateway(data_dir, binary) as (process, server):
        os.kill(server, signal.SIGSTOP)  # so that it cannot follow the kernel's signal yet
        process.kill()
        await process.wait()
        try:
            with pytest.raises(StoreInUse, match=str(server)):
                await EmbeddedStore(data_dir, binary, lock_wait_s=0.05).start()
        finally:
            os.kill(server, signal.SIGCONT)
        async with EmbeddedStore(data_dir, binary) as store, client(store.url) as redis:
            assert await redis.ping()


async def test_a_stop_leaves_neither_server_nor_socket(data_dir: Path, binary: Path) -> None:
    store = EmbeddedStore(data_dir, binary)
    await store.start()
    server = store.pid
    await store.stop()
    await store.stop()
    assert server is not None
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
    assert not (data_dir / "store.sock").exists()
    assert store.pid is None


async def test_a_server_that_ignores_the_stop_is_killed(data_dir: Path, binary: Path) -> None:
    store = EmbeddedStore(data_dir, binary, stop_wait_s=0.05)
    await store.start()
    server = store.pid
    assert server is not None
    os.kill(server, signal.SIGSTOP)
    await store.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


async def test_a_start_that_is_cancelled_leaves_nothing_behind(data_dir: Path, binary: Path) -> None:
    starting = asyncio.create_task(EmbeddedStore(data_dir, binary).start())
    await until((data_dir / "store.log").exists)  # the server is just being started
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    async with EmbeddedStore(data_dir, binary, lock_wait_s=0.05) as store:
        assert store.pid


async def test_a_journal_torn_within_a_command_still_starts(data_dir: Path, binary: Path) -> None:
    async with EmbeddedStore(data_dir, binary) as store, client(store.url) as redis:
        await redis.set("spent", "42")
    with journals(data_dir)[-1].open("ab") as journal:
        journal.write(b"*3\r\n$3\r\nSET\r\n$5\r\nspent\r\n$10\r\n4")
    async with EmbeddedStore(data_dir, binary) as store:
        assert await value_once_up(store.url, "spent") == "42"


async def test_a_start_returns_only_when_the_data_is_loaded(data_dir: Path, binary: Path) -> None:
    async with EmbeddedStore(data_dir, binary) as store, client(store.url) as redis:
        await redis.eval("for i = 1, 200000 do redis.call('set', i, i) end", 0)
    async with EmbeddedStore(data_dir, binary) as store, client(store.url) as redis:
        assert await redis.dbsize() == 200_000


async def test_a_damaged_journal_is_reported_with_the_servers_own_words(data_dir: Path, binary: Path) -> None:
    async with EmbeddedStore(data_dir, binary) as store, client(store.url) as redis:
        await redis.set("spent", "42")
    journals(data_dir)[-1].write_bytes(b"nonsense\r\n" * 10)
    with pytest.raises(StoreFailed, match=r"(?s)ended with code 1 .*store\.log:\n.*Bad file format"):
        await EmbeddedStore(data_dir, binary).start()
    assert running_url(data_dir) is None


async def test_a_damaged_end_of_the_journal_is_told_with_the_steps_that_mend_it(
    data_dir: Path, binary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with EmbeddedStore(data_dir, binary) as store, client(store.url) as redis:
        await redis.set("spent", "42")
        async with watched(store):
            with journals(data_dir)[-1].open("ab") as journal:
                journal.write(b"\0\1 no command\r\n")
            await crash(store)
            await until(
                lambda: "Cut the damage" in caplog.text
            )  # by the running gateway, at its restart of the server
    with pytest.raises(StoreFailed) as told:
        await EmbeddedStore(data_dir, binary).start()
    for step in re.findall(r"^  \d\. .*?:  +(.*)$", str(told.value), re.MULTILINE):
        shell = await asyncio.create_subprocess_shell(step, stdin=PIPE, stdout=PIPE)
        await shell.communicate(b"y\n")
        assert shell.returncode == 0
    async with EmbeddedStore(data_dir, binary) as store:
        assert await value_once_up(store.url, "spent") == "42"


async def test_a_server_that_does_not_answer_in_time_is_reported_and_ended(data_dir: Path) -> None:
    silent = program(data_dir, "#!/bin/sh\nexec sleep 60\n")
    store = EmbeddedStore(data_dir, silent, ready_wait_s=0.05)
    with pytest.raises(StoreFailed, match=r"did not answer within 0\.05 s"):
        await store.start()
    assert store.pid is None


async def test_a_program_that_is_no_server_is_reported(data_dir: Path) -> None:
    with pytest.raises(StoreFailed, match=r"cannot be started: .*Exec format"):
        await EmbeddedStore(data_dir, program(data_dir, "no program")).start()
    assert running_url(data_dir) is None


async def test_a_path_too_long_for_a_socket_says_what_to_do(data_dir: Path, binary: Path) -> None:
    with pytest.raises(StoreFailed, match=r"shorter --data-dir, of at most 92 bytes"):
        await EmbeddedStore(data_dir / ("d" * 93), binary).start()
    assert running_url(data_dir) is None


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(StoreFailed, match="'no-such-server' here or on PATH"):
        find_server("no-such-server")


def test_a_server_is_found_on_the_path_or_in_the_wheel() -> None:
    assert find_server("env").name == "env"
    assert find_server(None).name == "valkey-server"


async def test_a_command_uses_the_running_store(store: EmbeddedStore, data_dir: Path, binary: Path) -> None:
    assert running_url(data_dir) == store.url
    async with opened(data_dir, binary) as url, client(url) as redis:
        assert (await redis.info("server"))["process_id"] == store.pid
    async with client(store.url) as redis:
        assert await redis.ping()


async def test_a_command_starts_a_store_for_its_own_time(data_dir: Path, binary: Path) -> None:
    assert running_url(data_dir) is None
    async with opened(data_dir, binary) as url, client(url) as redis:
        assert await redis.ping()
        assert running_url(data_dir) == url
    assert running_url(data_dir) is None


@linux_only
async def test_a_child_whose_parent_died_before_it_was_bound_ends() -> None:
    # Called in the process that made it, the function sees a parent that is not the one it was made for.
    code = "import signal; from gateway.ledger.children import bound_to_parent as b; b(signal.SIGTERM)(); print('on')"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE)
    assert (await child.communicate())[0] == b""
    assert child.returncode == 1
