"""Following a policy folder: each change of its content once, as a policy or as what is wrong with it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from gateway.policy.folder import policy_files
from gateway.policy.policy import Policy
from gateway.policy.problems import PolicyInvalid

#: How often a folder is to be looked at: a change is in force well within two seconds.
PAUSE_SECONDS = 0.5
#: A file that is younger may change once more without its time telling: file systems count time in steps.
SETTLED_NS = 10**9

Stamp = tuple[tuple[str, int, int, int], ...]


class FolderWatch:
    """Gives every new content of a folder; `version` is that of the content that is known at first.

    `seen` is the folder's `settled_stamp` from before that was read. Without it the first look reads the folder
    again, so that a change between is not missed.

    Files are compared by time, size and inode, so that a link which Kubernetes swaps counts as a change. Work on
    files is done in a thread. A file that changes while it is read is read again.
    """

    def __init__(self, load: Callable[[], Policy], folder: Path, version: str, seen: Stamp | None = None) -> None:
        self._load = load
        self._folder = folder
        self._version = version
        self._seen = seen
        self._problem = ""

    async def look(self) -> Policy | PolicyInvalid | None:
        """Give the content if it is news; None while it is what was given last, or changes under the look."""
        stamp = await asyncio.to_thread(_stamp, self._folder)
        if stamp == self._seen:
            return None
        found = await self.read()
        if await asyncio.to_thread(_stamp, self._folder) != stamp:
            return None
        self._seen = stamp if _settled(stamp) else None
        return self._news(found)

    async def read(self) -> Policy | PolicyInvalid:
        """Read the folder, whether it is news or not."""
        return await asyncio.to_thread(_load, self._load)

    def _news(self, found: Policy | PolicyInvalid) -> Policy | PolicyInvalid | None:
        version, problem = ("", str(found)) if isinstance(found, PolicyInvalid) else (found.version, "")
        if (version, problem) == (self._version, self._problem):
            return None
        # What follows something invalid is news, even if it is what was in force before.
        self._version, self._problem = version, problem
        return found


def settled_stamp(folder: Path) -> Stamp | None:
    """Look at the files before they are read, for a FolderWatch; None where the next change might not show."""
    stamp = _stamp(folder)
    return stamp if _settled(stamp) else None


def _load(load: Callable[[], Policy]) -> Policy | PolicyInvalid:
    try:
        return load()
    except PolicyInvalid as invalid:
        return invalid


def _stamp(folder: Path) -> Stamp:
    """Look at the files; a folder that changes under the look gives a stamp that no later one equals."""
    if not folder.is_dir():
        return ()
    try:
        found = [(path, path.stat()) for path in policy_files(folder)]
    except OSError:
        return (("", time.monotonic_ns(), 0, 0),)
    return tuple((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in found)


def _settled(stamp: Stamp) -> bool:
    """Tell whether every file is old enough for its time to tell the next change of it."""
    youngest = max((changed_ns for _, changed_ns, _, _ in stamp), default=0)
    return not 0 <= time.time_ns() - youngest < SETTLED_NS
