"""Accounting: what the kernel says of processes; of Linux."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


def family(leader: int) -> list[int]:
    """Give a process and all its descendants, whatever session they are in."""
    parents = {int(place.name): _parent(int(place.name)) for place in Path("/proc").glob("[0-9]*")}
    found = [leader]
    for each in found:  # it grows while it is read
        found += [pid for pid, parent in parents.items() if parent == each]
    return found


def cpu_us(pids: Iterable[int]) -> float:
    """Give the time that processes spent on processors so far, in microseconds; scheduler's clock, not ticks."""
    return sum(_cpu_us(pid) for pid in pids)


class Memory(NamedTuple):
    """Memory of one process in kB: all that it has in use, its share of that, and what is its alone."""

    rss_kb: int
    pss_kb: int
    own_kb: int


def memory(pid: int) -> Memory:
    """Ask the kernel; of a process that has ended it is nothing."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return Memory(0, 0, 0)
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return Memory(kb["Rss"], kb["Pss"], kb["Private_Clean"] + kb["Private_Dirty"])


def pin(pids: Iterable[int], core: int | None) -> None:
    """Let processes, with every thread that they have or start, use one processor core only; None changes nothing."""
    if core is None:
        return
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def program(pid: int) -> Path | None:
    """Give the file that a process runs; None if it has ended."""
    try:
        return Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return None


def command(pid: int) -> str:
    """Give the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _cpu_us(pid: int) -> float:
    try:  # nanoseconds on a processor, of every thread
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000
    except (OSError, ValueError, IndexError):
        fields = _stat(pid)
        return (int(fields[11]) + int(fields[12])) * _TICK_US if fields else 0.0


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid: int) -> list[str] | None:
    """Give the fields behind the name, which may hold blanks; None of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
