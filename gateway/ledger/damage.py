"""Damage: what to do where the store's server cannot read its append-only file."""

import re
from pathlib import Path

from gateway.ledger.data_dir import DataDir

_BAD_FORMAT = re.compile(r"Bad file format reading the append only file ([^\s:]+)")


def advice(place: DataDir, binary: Path) -> str:
    """Say, from the last lines of the server's log, what an operator can do; nothing where they tell no damage.

    A file that merely ends in the middle of an entry is none: that entry was never acknowledged, and the server drops
    it by itself.
    """
    found = _BAD_FORMAT.findall(place.log_tail())
    if not found:
        return ""
    file = next(place.path.rglob(found[-1]), place.path / found[-1])
    check = place.path / ("redis-check-aof" if "redis" in binary.name else "valkey-check-aof")  # known by its name
    return (
        f"\nThe append-only file {found[-1]} is damaged, and nothing is served until you decide what becomes of it. "
        "What stands before the damage can be read; what stands behind it is lost, unless a backup has it.\n"
        f"  1. Keep a copy:     cp -a {file} {file}.damaged\n"
        f"  2. Cut the damage:  ln -sf {binary} {check} && {check} --fix {file}\n"
        "     It says how many bytes it cuts off. Or restore a backup of the data directory.\n"
        "  3. Start the gateway again, and run: gateway ledger verify\n"
        'docs/operating.md says more under "A damaged file".'
    )
