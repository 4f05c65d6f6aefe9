"""A scratch ledger: the shipped scripts on a store of its own, whose clock is told what time it is."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from gateway.domain.reservation import Reservation
from gateway.domain.window import MICROSECONDS, bounds
from gateway.ledger.embedded import EmbeddedStore
from gateway.ledger.fold import Place
from gateway.ledger.ledger import Ledger
from gateway.ledger.postings import Counted
from gateway.ledger.rolling import add_up, read_buckets
from gateway.ledger.scripts import Script, load_scripts
from gateway.ledger.store import Store, connect
from gateway.ledger.views import Views


class ScratchLedger:
    """One account's ledger at a time of the caller's choosing."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self.ledger = Ledger(store, scripts, account)
        self._store = store
        self._scripts = scripts

    async def at(self, us: int) -> None:
        """Set the clock; the account's time never runs backwards."""
        await self._store.read("SET", f"{self.ledger.prefix}:replay-now", us)
        self.ledger.saw(us)

    async def reservation(self, id_: str) -> Reservation | None:
        """Give a reservation by its id."""
        return await Views(self._store, self.ledger.account).reservation(id_)

    async def carry_over(self, sums: Mapping[Place, Counted], at_us: int) -> None:
        """Add to the counters, in their windows at that time, what was charged and counted before.

        They are as if they had seen it.
        """
        await self.at(at_us)
        for place, counted in sums.items():
            key = place.counter.key(self.ledger.prefix, place.start_us)
            if place.counter.bucket_us:
                await self._carry_into_bucket(key, place, counted, at_us)
            else:
                await self._store.read("HINCRBY", key, "c", counted.charged)
                await self._store.read("HINCRBY", key, "n", counted.predictions)
            number = await self._store.read("HGET", f"{self.ledger.prefix}:x:{place.counter.scope}", "n")
            await self._store.read("HSET", key, "x", number or 0)

    async def _carry_into_bucket(self, key: str, place: Place, counted: Counted, at_us: int) -> None:
        start_us = bounds(place.counter.window, place.counter.zone, at_us).start_us
        fields = await self._store.read("HGETALL", key)
        buckets = {start: parts for start, parts in read_buckets(fields).items() if start >= start_us}
        added = Counted(counted.charged, 0, counted.predictions)
        buckets[place.start_us] = add_up((buckets.get(place.start_us, Counted(0, 0, 0)), added))
        listed = [(start // MICROSECONDS, parts) for start, parts in buckets.items()]
        row = (key, add_up(buckets.values()), listed, start_us // MICROSECONDS)
        sequence = int(await self._store.read("GET", f"{self.ledger.prefix}:seq") or 0)
        await self._store.run(self._scripts["restore"], self.ledger.prefix, {"sequence": sequence, "counters": [row]})


@asynccontextmanager
async def scratch_store(binary: Path) -> AsyncIterator[tuple[Store, Mapping[str, Script]]]:
    """Run a store in a directory of its own, gone at the end, and give the scripts that read its clock.

    Nothing in it need survive, so that it writes nothing to disk. Raises as EmbeddedStore does.
    """
    clock = (files("gateway.ledger") / "scripts" / "replay_clock.lua").read_text()
    with tempfile.TemporaryDirectory(prefix="gateway-replay-") as folder:
        async with EmbeddedStore(Path(folder, "data"), binary) as running:
            store = connect(running.url)
            try:
                for name, value in (("appendonly", "no"), ("save", "")):
                    await store.read("CONFIG", "SET", name, value)
                yield store, load_scripts(clock)
            finally:
                await asyncio.shield(store.aclose())
