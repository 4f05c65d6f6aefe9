"""The house of a module's programs."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

from stores.folders import in_memory

from e2e.policies import Policies
from e2e.programs import Gateway, Program, Sandbox

P = TypeVar("P", bound=Program)


class House:
    """Starts programs, each with a place of its own below one short path; at the end none is left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._programs: list[Program] = []

    def sandbox(self, *, seconds: float = 0.3, creates_per_minute: int = 100_000, concurrent: int = 1000) -> Sandbox:
        settings = {"seconds": seconds, "creates_per_minute": creates_per_minute, "concurrent": concurrent}
        return self.keep(Sandbox(self._place("sandbox") / "log", **settings))

    def gateway(
        self, policies: Policies, sandbox: Sandbox, *, workers: int = 1, folder: Path | None = None, **more: str
    ) -> Gateway:
        """Start a gateway, on a folder of its own unless one is given; `more` are flags, with `_` for `-`."""
        place = self._place("gateway")
        flags = {
            "listen": "127.0.0.1:0",
            "metrics-listen": "127.0.0.1:0",
            "data-dir": place / "data",
            "policies": folder or policies.write(place / "policies"),
            "upstream-url": sandbox.url,
            "workers": workers,
        } | {name.replace("_", "-"): value for name, value in more.items()}
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        return self.keep(Gateway(words, place / "log", policies.secrets))

    def keep(self, program: P) -> P:
        """See to it that a program has ended when the house closes."""
        self._programs.append(program)
        return program

    def close(self) -> None:
        """Stop what still runs, which exits 0; whatever happens, all is gone afterwards."""
        try:
            running = [program for program in self._programs if program.process.returncode is None]
            for program in running:
                program.terminate()
            for program in running:
                program.ended()
        finally:
            for program in self._programs:
                program.kill()

    def _place(self, name: str) -> Path:
        place = self._folder / f"{name}-{next(self._numbers)}"
        place.mkdir()
        return place


@contextmanager
def opened() -> Iterator[House]:
    """Give a house of its own, empty and gone at the end."""
    # Not pytest's own: its path is too long for the store's socket.
    folder = Path(tempfile.mkdtemp(prefix="e2e-", dir=in_memory()))
    house = House(folder)
    try:
        yield house
    finally:
        house.close()
        shutil.rmtree(folder)
