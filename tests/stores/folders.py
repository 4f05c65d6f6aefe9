"""Where the stores of tests write: to memory where there is enough of it.

They sync each write before they answer. The disk of a shared machine stands still for a second now and then, which is
an outage of the store, as it should be, and a red test.
"""

import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 (it is only where folders are made, each with a name of its own)
#: What the tests of one run write, many times over.
ENOUGH_BYTES = 2 * 2**30


def in_memory() -> Path | None:
    """Name a folder in memory, for `tempfile`; None, which is its own choice, where there is none or too little."""
    enough = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
    return MEMORY if enough else None
