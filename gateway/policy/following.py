"""Following a policy folder: each change of its content once, as a policy or as what is wrong with it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from gateway.policy.folder import policy_files
from gateway.policy.policy import Policy
from gateway.policy.problems import PolicyInvalid

#: How often the folder is looked at: a change is in force well within two seconds.
PAUSE_SECONDS = 0.5

Stamp = tuple[tuple[str, int, int, int], ...]


async def follow_policy(
    load: Callable[[], Policy], folder: Path, version: str
) -> AsyncIterator[Policy | PolicyInvalid]:
    """Give every new content of the folder, for ever; `version` is that of the content in force.

    Files are compared by time, size and inode, so that a link which Kubernetes swaps counts as a change. Work on
    files is done in a thread. A file that changes while it is read is read again.
    """
    seen: Stamp | None = None  # so that a change between the first load and the first look is not missed
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        stamp = await asyncio.to_thread(_stamp, folder)
        if stamp == seen:
            continue
        found = await asyncio.to_thread(_load, load)
        if await asyncio.to_thread(_stamp, folder) != stamp:
            continue
        seen = stamp
        if isinstance(found, PolicyInvalid):
            version = ""  # what follows is news, even if it is what was in force before
            yield found
        elif found.version != version:
            version = found.version
            yield found


def _load(load: Callable[[], Policy]) -> Policy | PolicyInvalid:
    try:
        return load()
    except PolicyInvalid as invalid:
        return invalid


def _stamp(folder: Path) -> Stamp:
    """Look at the files; a folder that changes under the look gives a stamp that no later one equals."""
    try:
        found = [(path, path.stat()) for path in policy_files(folder)]
    except OSError:
        return (("", time.monotonic_ns(), 0, 0),)
    return tuple((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in found)
