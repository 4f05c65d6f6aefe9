"""Whether upstream ever sees more creates than its keys allow, in any 60 s or at once: by its own record.

    make slots FLAGS="--minutes 10"

Two gateways with two workers and a data directory each share a store and two upstream keys, with Eachlabs' own limits
of 100 creates a minute and 10 in flight for each, and more clients than that is enough for. The sandbox enforces the
limits too, and counts every create that arrives, by key: the most in any 60 s and the most in flight are printed.
Exit 1 where one is above its limit, or a create was refused by upstream.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.hosts import Hosts, Scarce, hosts

CLIENTS = 12  # of each tenant


async def measure(minutes: float, scarce: Scarce) -> tuple[dict[str, Any], dict[int, int]]:
    """Run it; gives the sandbox's totals, and how many creates were answered with which status."""
    with tempfile.TemporaryDirectory(prefix="slots-") as folder:
        async with hosts(Path(folder), scarce) as running:
            until = time.monotonic() + minutes * 60
            clients = [
                asyncio.ensure_future(running.client(tenant, number, until))
                for tenant in scarce.tenants
                for number in range(CLIENTS)
            ]
            await _minute_by_minute(running, until)
            for client in clients:
                client.cancel()
            await asyncio.wait(clients)
            return await running.totals(), running.calls


async def _minute_by_minute(running: Hosts, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(left, 60))
        totals = await running.totals()
        peaks = totals["max_creates_in_60_s"], totals["max_in_flight"]
        print(f"{totals['arrived']} creates, at most in 60 s and in flight by key: {peaks}", flush=True)


def main() -> int:
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(description="creates that upstream sees in any 60 s and at once")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--per-minute", type=int, default=100)
    parser.add_argument("--concurrent", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4, help="of each run")
    given = parser.parse_args()
    tenants = {f"t{n}": 1 for n in range(4)}
    scarce = Scarce(2, given.per_minute, given.concurrent, given.seconds, tenants)
    totals, calls = asyncio.run(measure(given.minutes, scarce))
    peaks, slots = totals["max_creates_in_60_s"], totals["max_in_flight"]
    print(f"{totals['arrived']} creates arrived in {given.minutes:g} min; upstream refused {totals['refused'] or 0}")
    print(f"answers: {calls}")
    print(f"most in any 60 s, by key: {peaks} of {given.per_minute}; in flight: {slots} of {given.concurrent}")
    kept = max(peaks.values()) <= given.per_minute and max(slots.values()) <= given.concurrent
    return 0 if kept and not totals["refused"] else 1


if __name__ == "__main__":
    sys.exit(main())
