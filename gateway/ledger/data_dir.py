"""The directory of an embedded store: its files, and the lock that gives it one server at a time."""

import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import quote

_SOCKET_PATH_MAX_BYTES = 103  # sun_path holds 104 bytes on macOS, 108 on Linux, the closing NUL included
_TAIL_BYTES = 4096


class StoreFailed(Exception):
    """The embedded store cannot run; the message says why and what to do."""


class StoreInUse(StoreFailed):
    """Another process holds the data directory; the message names it."""


@dataclass(frozen=True)
class DataDir:
    """The places of one store's files below `path`, which is absolute."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Self:
        """Name the directory, from here; symbolic links are kept, since they may be shorter."""
        return cls(path.absolute())

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        return self.path / "store.sock"

    @property
    def log_file(self) -> Path:
        """Where the server logs."""
        return self.path / "store.log"

    @property
    def lock_file(self) -> Path:
        """The file under flock; it is never removed, since a lock on a removed file excludes nobody."""
        return self.path / "store.lock"

    @property
    def url(self) -> str:
        """The address of the store for a Redis client."""
        return f"unix://{quote(str(self.socket))}"

    def prepare(self) -> None:
        """Make the directory, for its owner alone.

        Raises StoreFailed if the path is too long for a socket, or the directory is shared or another user's.
        """
        self._check_length()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.stat().st_mode & stat.S_ISVTX:
                raise PermissionError("it is shared by all users")
            self.path.chmod(0o700)
        except OSError as error:
            raise StoreFailed(
                f"{self.path} cannot be the store's directory: {error}. "
                "Give --data-dir a directory of this user's own, such as a new one below it."
            ) from error

    def _check_length(self) -> None:
        length = len(os.fsencode(self.socket))
        if length > _SOCKET_PATH_MAX_BYTES:
            most = _SOCKET_PATH_MAX_BYTES - len("/store.sock")
            raise StoreFailed(
                f"the store's socket {self.socket} has a path of {length} bytes and systems allow "
                f"{_SOCKET_PATH_MAX_BYTES}: choose a shorter --data-dir, of at most {most} bytes when absolute"
            )

    def try_lock(self) -> int | None:
        """Take the lock and return its open descriptor, or None while another process holds it.

        The lock lasts until every copy of the descriptor is closed, those that children inherited included.
        """
        fd = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)  # it names the last holder
        return fd

    def is_locked(self) -> bool:
        """Tell whether a store runs, starts or ends here now."""
        try:
            fd = os.open(self.lock_file, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two who ask do not see each other
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def record_holder(self, lock_fd: int, server_pid: int) -> None:
        """Write into the locked file who holds it: this process and its server."""
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, f"process {os.getpid()}, its store's server is process {server_pid}\n".encode(), 0)

    def holder(self) -> str:
        """Name the processes that hold the lock, as they recorded themselves."""
        return self.lock_file.read_text("utf-8").strip() or "a process that is just starting"

    def log_for_append(self) -> BinaryIO:
        """Open the log for what the server prints before it logs, such as a refused option."""
        return self.log_file.open("ab")

    def log_tail(self, lines: int = 8) -> str:
        """Give the last lines of the server's log."""
        with self.log_file.open("rb") as log:
            log.seek(max(0, self.log_file.stat().st_size - _TAIL_BYTES))
            return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-lines:])
