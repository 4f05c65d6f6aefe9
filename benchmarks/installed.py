"""Installed: the peers that are measured, each in a place of its own, made when it is first needed."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PLACE = Path(__file__).parent


class Unavailable(Exception):
    """A peer cannot be measured on this machine; the text says why."""


def environment(name: str, requirement: str, version: str) -> Path:
    """Give the virtual environment with a package from PyPI. Raises Unavailable."""
    place = PLACE / f".{name}"
    create = [sys.executable, "-m", "venv", "--clear", str(place)]
    install = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", f"{requirement}=={version}"]
    _once(place, version, f"{requirement} {version}", [create, install])
    return place


def node_package(name: str, package: str, version: str) -> Path:
    """Give the folder of a package from npm; its install scripts are not run. Raises Unavailable."""
    npm, place = shutil.which("npm"), PLACE / f".{name}"
    if npm is None:
        raise Unavailable(f"{package} needs npm, which is not installed")
    words = [npm, "install", "--prefix", str(place), "--silent", "--no-fund", "--no-audit", "--ignore-scripts"]
    _once(place, version, f"{package} {version}", [["mkdir", "-p", str(place)], [*words, f"{package}@{version}"]])
    return place / "node_modules" / package


def _once(place: Path, version: str, what: str, steps: Sequence[Sequence[str]]) -> None:
    done = place / f"installed-{version}"
    if done.exists():
        return
    for step in steps:
        finished = subprocess.run(step, capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            raise Unavailable(f"{what} does not install here: {finished.stderr.strip()[-400:]}")
    done.touch()
