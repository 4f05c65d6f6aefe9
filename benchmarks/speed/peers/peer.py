"""What the benchmark asks of a proxy: to add one, write these methods and name it in `registry.py`."""

from pathlib import Path
from typing import NamedTuple, Protocol

from benchmarks.speed.load import Call

FORWARDED = "poll forwarded"
CACHED = "poll from cache"
CREATE = "create"
MODEL = "flux-2-klein-4b-base-edit"
CHAT = '{"model": "bench", "max_tokens": 1, "messages": [{"role": "user", "content": "a picture"}]}'
BODY = (
    f'{{"model": "{MODEL}", "input": {{"prompt": "%s", "image_urls": ["https://example.com/a.png"],'
    ' "image_size": "landscape_4_3", "num_images": 1}}'
)


class House(NamedTuple):
    """What a proxy is started with: an empty folder of its own, upstream's address, the server of a store (a Redis
    or Valkey), the core that is the proxy's own, and the one that load, upstream and store share; None is any."""

    place: Path
    upstream: str
    store: Path
    core: int | None
    other_core: int | None


class Peer(Protocol):
    """A proxy under measurement. `url` is its address, once started; `loads` are those that it can carry."""

    name: str
    loads: tuple[str, ...]
    url: str

    def version(self) -> str:
        """Name what is measured, and what it does for a request. Raises Unavailable."""
        ...

    async def start(self, house: House) -> None:
        """Start it on its core; returns once it answers."""
        ...

    async def prepare(self, load: str) -> Call:
        """Give what it is asked under a load, of which nothing from the load before is left."""
        ...

    def processes(self) -> list[int]:
        """Give the processes that are the proxy: not its store."""
        ...

    def stop(self) -> None:
        """End all that was started; may be called at any time, and twice."""
        ...


def plain_call(load: str) -> Call:
    """Give the request of a load as a proxy gets it that knows nothing of Eachlabs."""
    if load == CREATE:
        headers = {"X-API-Key": "bench", "Content-Type": "application/json"}
        return Call("POST", ("/v1/prediction",), headers, BODY % "a picture")
    return Call("GET", tuple(f"/v1/prediction/runs-{each}" for each in range(1000)), {"X-API-Key": "bench"})
