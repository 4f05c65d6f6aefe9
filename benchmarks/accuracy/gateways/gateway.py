"""What the benchmark asks of a gateway: to add one, write these methods and name it in `registry.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import httpx

from benchmarks.accuracy.calls import Answer, Call


@dataclass(frozen=True, slots=True)
class House:
    """What a gateway is started with: an empty folder of its own (its path is short enough for a socket), upstream's
    address, the cap of each tenant in US dollars, how many replicas share one store, and the server of such a store
    (a Redis or Valkey)."""

    place: Path
    upstream: str
    caps: Mapping[str, Decimal]
    replicas: int
    store: Path


class Gateway(Protocol):
    """A gateway under measurement. `urls` are the replicas' addresses, once started."""

    name: str
    urls: list[str]

    def version(self) -> str:
        """Name what is measured, and how it is set up to keep a budget. Raises Unavailable."""
        ...

    async def start(self, house: House) -> None:
        """Start every replica, with one budget for each tenant that never resets; returns once all answer."""
        ...

    async def crash(self) -> None:
        """Kill every replica with SIGKILL, and start them again on what they left, at the same addresses."""
        ...

    async def ask(self, http: httpx.AsyncClient, url: str, call: Call) -> Answer:
        """Send one call with the key of its tenant, and tell how it ended; raises nothing for an answer."""
        ...

    async def settle(self) -> None:
        """Wait until what is known of ended calls is in the gateway's books."""
        ...

    def stop(self) -> None:
        """End all that was started; may be called at any time, and twice."""
        ...
