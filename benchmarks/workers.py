"""What a create and a forwarded poll cost as workers are added, all on one store.

    make bench-workers

Starts the gateway with 1, 2 and 4 workers, none of them bound to a core, and puts each under 32 clients. On a machine
of few cores the requests a second say little, since load, stub and store want theirs too; the processor time of a
request is what should stay as it is.
"""

import asyncio
import tempfile
from pathlib import Path

from benchmarks.speed.accounting import cpu_us
from benchmarks.speed.load import saturate
from benchmarks.speed.peers.eachlabs import EachlabsGateway
from benchmarks.speed.peers.peer import CREATE, FORWARDED, House
from benchmarks.speed.rounds import stub
from gateway.ledger.embedded import find_server

SECONDS = 4
CLIENTS = 32


async def measure(workers: int) -> list[str]:
    """Give for each load how many requests were answered in a second, and the processor time of one."""
    found = []
    with tempfile.TemporaryDirectory(prefix="workers-", ignore_cleanup_errors=True) as folder:
        async with stub(Path(folder), None) as upstream:
            house = House(Path(folder), upstream, find_server(None), None, None)
            gateway = EachlabsGateway(workers)
            try:
                await gateway.start(house)
                for load in (CREATE, FORWARDED):
                    call = await gateway.prepare(load)
                    before = cpu_us(gateway.processes()), cpu_us(gateway.stores())
                    seen = await saturate(gateway.url, call, CLIENTS, SECONDS, house.place, None)
                    spent = cpu_us(gateway.processes()) - before[0], cpu_us(gateway.stores()) - before[1]
                    found += [f"{seen.per_second:,.0f}", *(f"{each / max(seen.requests, 1):.0f}" for each in spent)]
            finally:
                await asyncio.to_thread(gateway.stop)
    return found


async def main() -> None:
    """Print the table."""
    print("| workers | creates/s | CPU µs | store's µs | forwarded polls/s | CPU µs | store's µs |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for workers in (1, 2, 4):
        print(f"| {workers} | {' | '.join(await measure(workers))} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
