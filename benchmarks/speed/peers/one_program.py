"""What proxies share that are one program on a core of its own."""

from collections.abc import Mapping, Sequence

from benchmarks.programs import Program
from benchmarks.speed.accounting import family
from benchmarks.speed.load import Call
from benchmarks.speed.peers.peer import House, plain_call


class OneProgram:
    """A proxy without its version and its start; `_run` is what the start ends with."""

    name: str
    loads: tuple[str, ...]

    def __init__(self) -> None:
        self.url = ""
        self._program: Program | None = None

    async def prepare(self, load: str) -> Call:
        """Give the request of a load as a proxy gets it that knows nothing of Eachlabs."""
        return plain_call(load)

    def processes(self) -> list[int]:
        """Give its process, and all that it started."""
        return family(self._program.pid) if self._program else []

    def stop(self) -> None:
        """End it."""
        if self._program:
            self._program.stop()

    async def _run(
        self, house: House, port: int, words: Sequence[str], health: str, environ: Mapping[str, str] | None = None
    ) -> None:
        """Run it on its core; returns once it answers at `health`, a path."""
        self.url = f"http://127.0.0.1:{port}"
        self._program = Program(words, house.place / f"{self.name}.log", environ or {}, house.core)
        await self._program.answers(f"{self.url}{health}")
