"""How fairly creates that wait share scarce upstream slots, and how long a slot is idle while somebody waits.

    make bench-queue

Two gateways with two workers each share a store and the slots of two upstream keys. First ten tenants of one weight,
of which one floods them with more creates than all others together; then four tenants with the weights 1 to 4.
Everything is read from the ledger's journal, whose times are the store's: who was admitted when, and how long a slot
was free until the next create took it. Exit 1 where Jain's index of the first is below 0.95, a share of the second is
more than 5 % off its weight, or slots were idle for more than 2 % of the time.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.hosts import Scarce, hosts

KEYS, SLOTS, RUN_SECONDS = 2, 4, 0.5
WARM_SECONDS = 15.0  # until everybody waits
LEAST_JAIN, MOST_OFF, MOST_IDLE = 0.95, 0.05, 0.02


class Shared(NamedTuple):
    """What a run came to: creates admitted by tenant, the share of slot time that was idle, and how long after it was
    freed each slot was taken again (seconds)."""

    admitted: Mapping[str, int]
    idle: float
    gaps: Sequence[float]

    @property
    def jain(self) -> float:
        """Jain's index: 1 where all have the same, 1/n where one has all."""
        shares = list(self.admitted.values())
        return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


async def measure(weights: Mapping[str, int], clients: Mapping[str, int], seconds: float) -> Shared:
    """Let so many clients of each tenant create one after the other."""
    scarce = Scarce(KEYS, 1_000_000, SLOTS, RUN_SECONDS, weights)
    with tempfile.TemporaryDirectory(prefix="queueing-") as folder:
        async with hosts(Path(folder), scarce) as running:
            until = time.monotonic() + WARM_SECONDS + seconds
            tasks = [
                asyncio.ensure_future(running.client(tenant, number, until))
                for tenant, many in clients.items()
                for number in range(many)
            ]
            begun = time.time()
            await asyncio.sleep(WARM_SECONDS + seconds)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            print(f"answers: {running.calls}")
            return read(running.journal(), begun + WARM_SECONDS, begun + WARM_SECONDS + seconds, list(weights))


def read(journal: Sequence[Mapping[str, Any]], start: float, stop: float, tenants: Sequence[str]) -> Shared:
    """Read a span (seconds since 1970) of the journal."""
    admitted, gaps, freed_at, running = Counter(dict.fromkeys(tenants, 0)), list[float](), list[float](), set[str]()
    taken, idle, last = 0, 0.0, start
    for entry in journal:
        at, id_ = entry["at_us"] / 1_000_000, entry["reservation"]
        begins, ends = entry["event"] == "reserve", entry["event"] in ("finish", "settle", "release")
        if not begins and not (ends and id_ in running):
            continue
        if start <= at < stop:
            idle += (KEYS * SLOTS - taken) * (at - last)
            last = at
        if ends:
            running.remove(id_)
            freed_at.append(at)
        else:
            running.add(id_)
            freed = freed_at.pop(0) if freed_at else at
            if start <= at < stop:
                admitted[entry["tenant"]] += 1
                gaps.append(at - freed)
        taken = len(running)
    return Shared(admitted, idle / (KEYS * SLOTS * (stop - start)), gaps)


def _tell(shared: Shared) -> str:
    gaps = sorted(gap * 1000 for gap in shared.gaps)
    late = gaps[int(len(gaps) * 0.99)]
    return (
        f"slots idle for {shared.idle:.2%} of the time, and taken again after {statistics.median(gaps):.1f} ms at the"
        f" median, {late:.1f} ms at the 99th percentile, {gaps[-1]:.1f} ms at most"
    )


def main() -> int:
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(description="fairness of the queue for upstream slots")
    parser.add_argument("--seconds", type=float, default=60, help="of each of the two runs")
    given = parser.parse_args()
    ten = {f"t{n}": 1 for n in range(10)}
    flood = asyncio.run(measure(ten, {tenant: 250 if tenant == "t0" else 15 for tenant in ten}, given.seconds))
    print(f"ten tenants, one of which floods: {dict(flood.admitted)}, Jain's index {flood.jain:.4f}; {_tell(flood)}")
    four = {f"w{weight}": weight for weight in range(1, 5)}
    shares = asyncio.run(measure(four, dict.fromkeys(four, 60), given.seconds))
    whole = sum(shares.admitted.values())
    off = {tenant: shares.admitted[tenant] / whole / (weight / 10) - 1 for tenant, weight in four.items()}
    told = ", ".join(f"{tenant} {shares.admitted[tenant]} ({off[tenant]:+.1%})" for tenant in four)
    print(f"weights 1 to 4: {told}; {_tell(shares)}")
    fair = flood.jain >= LEAST_JAIN and max(map(abs, off.values())) <= MOST_OFF
    return 0 if fair and max(flood.idle, shares.idle) <= MOST_IDLE else 1


if __name__ == "__main__":
    sys.exit(main())
