"""The file of an export: one writer at a time, whole lines only, and what it says of where it stands."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

_BLOCK = 2**16


class Line(msgspec.Struct, frozen=True):
    """What a line of an export says of itself."""

    account: str
    sequence: int
    at_us: int
    reservation: str


class ExportFile:
    """A file of JSON lines that is only ever added to. Raises ValueError where it cannot be one, and OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ValueError(f"another export is writing {path}; wait for it, or name another file") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._file.close()

    def ends(self) -> tuple[Line, Line] | None:
        """Cut off a line that was not finished, and give the first and the last one; None where there is none."""
        self._cut()
        self._file.seek(0)
        first = self._file.readline()
        return (self._read(first), self._read(self._last())) if first else None

    def write(self, lines: bytes) -> None:
        """Add whole lines."""
        self._file.write(lines)

    def sync(self) -> None:
        """Have everything that was written on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def _cut(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        tail = self._tail(end, newlines=1)
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):
            self._file.truncate(end - len(tail) + whole)

    def _last(self) -> bytes:
        tail = self._tail(self._file.seek(0, os.SEEK_END), newlines=2)
        return tail.splitlines()[-1]

    def _tail(self, end: int, *, newlines: int) -> bytes:
        """Read from the end on backwards until there are so many ends of lines, or the file's beginning."""
        tail = b""
        while end > 0 and tail.count(b"\n") < newlines:
            size = min(_BLOCK, end)
            end -= size
            self._file.seek(end)
            tail = self._file.read(size) + tail
        return tail

    def _read(self, line: bytes) -> Line:
        try:
            return msgspec.json.decode(line, type=Line)
        except msgspec.DecodeError as error:
            raise ValueError(f"{self._path} has a line that is no entry of a journal: {line[:80]!r}") from error
