"""What a create costs as everything around it grows: tenants, limits, open predictions, models.

    make bench-scale FLAGS="--predictions 1000000"

Starts a store of its own, without a disk, and takes creates through reserve and confirm. For each size it prints the
time that the store spends in `reserve` (as the server counts it), the processor time of this process for both calls,
and the bytes of the store for each prediction that is open. Each row changes one thing of 10 tenants with 4 limits.
Before the table it says what one call of the store takes of this process where 32 creates ask at a time.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from gateway.cli.assembly import new_id
from gateway.domain.limit import Limit, LimitKind, Mode
from gateway.domain.window import WindowName
from gateway.ledger.decisions import Admitted, Capacity, Order
from gateway.ledger.embedded import EmbeddedStore, find_server
from gateway.ledger.ledger import Ledger
from gateway.ledger.postings import Postings, account_prefix
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import connect

ACCOUNT = "bench"
WINDOWS = (WindowName.HOUR, WindowName.DAY, WindowName.WEEK, WindowName.MONTH, WindowName.YEAR)
KEYS = [Capacity("main", 10**9, 10**9)]
#: Creates of which one row is the median, in so many parts; and in flight at once while it grows.
CREATES, PARTS, AT_ONCE = 2000, 5, 16


class Size(NamedTuple):
    """How much there is of everything."""

    tenants: int = 10
    limits: int = 4
    open: int = 0
    models: int = 1


class Cost(NamedTuple):
    """Microseconds of the store for a reserve and of this process for a reserve and a confirm; bytes of the store."""

    store_us: float
    process_us: float
    bytes: float


def sizes(most_tenants: int, most_open: int) -> list[tuple[str, Size]]:
    """Give the rows, each with what it shows."""
    rows = [(f"{count:,} tenants", Size(tenants=count)) for count in (10, 1000, 100_000) if count <= most_tenants]
    rows += [(f"{count} limits", Size(limits=count)) for count in (1, 5, 20)]
    rows += [
        (f"{count:,} open", Size(open=count)) for count in (1000, 10_000, 100_000, 1_000_000) if count <= most_open
    ]
    return rows + [(f"{count} models", Size(models=count)) for count in (1, 50, 500)]


async def measure(size: Size) -> Cost:
    """Measure creates in a store that has so much in it."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        async with (
            EmbeddedStore(Path(folder, "data"), find_server(None)) as running,
            Redis.from_url(running.url) as redis,
        ):
            await redis.config_set("appendonly", "no")  # the disk's time is the disk's
            store = connect(running.url)
            ledger, postings = (
                Ledger(store, load_scripts(), ACCOUNT),
                [_postings(n, size) for n in range(size.tenants)],
            )
            await _create(ledger, postings, max(size.open, size.tenants), size)
            before = await _used(redis)
            costs = [await _part(redis, ledger, postings, size) for _ in range(PARTS)]
            taken = (await _used(redis) - before) / CREATES
            await store.aclose()
    store_us, process_us = (statistics.median(each) for each in zip(*costs, strict=True))
    return Cost(store_us, process_us, taken)


async def call_us() -> float:
    """Give the processor time (µs) of one small call where AT_ONCE × 2 ask in the same turn of the loop."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        async with EmbeddedStore(Path(folder, "data"), find_server(None)) as running:
            store = connect(running.url)
            ledger = Ledger(store, load_scripts(), ACCOUNT)
            found = []
            for _ in range(PARTS * 20):
                calls = [ledger.confirm("res_unknown", "p", 0) for _ in range(2 * AT_ONCE)]
                begun = time.process_time()
                await asyncio.gather(*calls)
                found.append((time.process_time() - begun) * 1e6 / len(calls))
            await store.aclose()
    return statistics.median(found)


async def _part(redis: Redis, ledger: Ledger, postings: Sequence[Postings], size: Size) -> tuple[float, float]:
    """Give the times of a part of the creates: each reserve by itself, so that no other waits for it."""
    await redis.config_resetstat()
    begun = time.process_time()
    orders = [await _reserve(ledger, postings, number, size) for number in range(CREATES // PARTS)]
    reserved = (await redis.info("commandstats"))["cmdstat_evalsha"]["usec_per_call"]
    for order in orders:
        await ledger.confirm(order, str(uuid.uuid4()), 3600)
    return float(reserved), (time.process_time() - begun) * 1e6 / len(orders)


async def _create(ledger: Ledger, postings: Sequence[Postings], count: int, size: Size) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def create(number: int) -> None:
        async with gate:
            order = await _reserve(ledger, postings, number, size)
            await ledger.confirm(order, str(uuid.uuid4()), 3600)

    for first in range(0, count, 10_000):
        await asyncio.gather(*(create(number) for number in range(first, min(first + 10_000, count))))


async def _reserve(ledger: Ledger, postings: Sequence[Postings], number: int, size: Size) -> str:
    order = Order(
        id=new_id(),
        tenant=f"t{number % size.tenants}",
        key="production",
        model=f"model-{number % size.models}",
        price_version="1",
        estimate=1_400_000,
        hold=1_400_000,
        slot_s=86_400,
        stale_s=60,
        input_digest=uuid.uuid4().hex[:16],
    )
    decision = await ledger.reserve(order, postings[number % size.tenants], KEYS)
    if not isinstance(decision, Admitted):
        raise TypeError(f"not admitted: {decision}")
    return order.id


def _postings(number: int, size: Size) -> Postings:
    scopes = (f"tenant/t{number}/key/production", f"tenant/t{number}", "tenant/parent", f"account/{ACCOUNT}")
    places = [(scope, window) for window in WINDOWS for scope in scopes]
    limits = [_budget(scope, window) for scope, window in places[: size.limits]]
    return Postings(account_prefix(ACCOUNT), scopes, limits)


def _budget(scope: str, window: WindowName) -> Limit:
    return Limit(scope, f"budget-{window}", LimitKind.BUDGET, Mode.ENFORCE, 10**15, window, ZoneInfo("UTC"))


async def _used(redis: Redis) -> int:
    await redis.delete(f"{account_prefix(ACCOUNT)}:ul:main")  # the last minute's admissions: as many as a rate allows
    return int((await redis.info("memory"))["used_memory"])


async def _print(flags: argparse.Namespace) -> None:
    print(f"A call of the store takes {await call_us():.0f} µs of processor time.\n")
    print("| | µs of the store for a reserve | µs of the gateway's ledger for a create | bytes for each open |")
    print("|---|--:|--:|--:|")
    for name, size in sizes(flags.tenants, flags.predictions):
        cost = await measure(size)
        print(f"| {name} | {cost.store_us:.0f} | {cost.process_us:.0f} | {cost.bytes:,.0f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=100_000, help="the most")
    parser.add_argument("--predictions", type=int, default=100_000, help="the most that are open before")
    asyncio.run(_print(parser.parse_args()))
