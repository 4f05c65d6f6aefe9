"""What an ended prediction takes of the store's memory, its journal entries and its part of the checkpoint included.

    make memory FLAGS="--predictions 100000 --apart 60 --server redis-server --plain"

Starts a store of its own, takes predictions through their whole life (reserve, confirm, settle) with names as long as
they are in practice, and prints the difference of the server's `used_memory` for each, and where it lies: what is
freed as each key is deleted. The checkpoint has sums by the quarter of an hour, which many predictions share, and few
where they come `--apart` by so many seconds; those by the second are left out, since they are kept for two hours.
`--server` measures another server than the embedded one, `--plain` one that packs hashes as its makers set it, as an
operator's own store does.
"""

import argparse
import asyncio
import itertools
import tempfile
import uuid
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from gateway.cli.assembly import new_id
from gateway.domain.limit import Limit, LimitKind, Mode
from gateway.domain.reservation import How
from gateway.domain.window import WindowName
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.decisions import Admitted, Capacity, Order
from gateway.ledger.embedded import EmbeddedStore, find_server
from gateway.ledger.ledger import Ledger
from gateway.ledger.postings import Postings, account_prefix
from gateway.ledger.scratch import ScratchLedger
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import connect

ACCOUNT, MODEL, PRICE_VERSION = "eachlabs", "flux-2-klein-4b-base-edit", "2026-04-27"
PREFIX = account_prefix(ACCOUNT)
TENANTS = ("acme-media", "initech", "umbrella-group", "globex")
HOLD, COST = 1_700_000, 1_400_000
FACTS = '{"image_size":"landscape_16_9","image_urls":[1]}'
#: Taken through their life before the measurement, for what only the first ones take.
FIRST = 1000
BEGIN_US = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 1_000_000


async def measure(predictions: int, apart_s: float, server: str | None, *, plain: bool) -> None:
    """Print what a prediction takes."""
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        async with (
            EmbeddedStore(Path(folder, "data"), find_server(server)) as running,
            Redis.from_url(running.url, decode_responses=True) as redis,
        ):
            await _configure(redis, plain=plain)
            store = connect(running.url)
            scripts = load_scripts((files("gateway.ledger") / "scripts" / "replay_clock.lua").read_text())
            scratch, checkpoint = ScratchLedger(store, scripts, ACCOUNT), Checkpoint(store, scripts, ACCOUNT)
            begin_us = await _live(scratch, FIRST, BEGIN_US, apart_s)
            await checkpoint.roll()
            before = await _used(redis)
            end_us = await _live(scratch, predictions, begin_us, apart_s)
            await checkpoint.roll()
            await checkpoint.prune(end_us + 4 * 3600 * 1_000_000)
            taken = (await _used(redis) - before) / predictions
            print(f"{await _name(redis)}: {taken:.0f} bytes for each of {predictions} ended predictions")
            for key in sorted(map(str, await redis.keys("*"))):
                with_it = await _used(redis)
                await redis.delete(key)
                share = (with_it - await _used(redis)) / (predictions + FIRST)
                if share >= 1:
                    print(f"{share:8.0f}  {key}")
            await store.aclose()


async def _configure(redis: Redis, *, plain: bool) -> None:
    settings = {
        "appendonly": "no",
        "lazyfree-lazy-user-del": "no",
    }  # what is no part of the data, and what frees later
    if plain:
        settings |= {"hash-max-listpack-entries": "128", "hash-max-listpack-value": "64"}
    for name, value in settings.items():
        await redis.config_set(name, value)


async def _live(scratch: ScratchLedger, predictions: int, begin_us: int, apart_s: float) -> int:
    """Take predictions through their life, one after another; returns the time at which the next would begin."""
    tenants = itertools.cycle([(tenant, _postings(tenant)) for tenant in TENANTS])
    at_us = begin_us
    for tenant, postings in itertools.islice(tenants, predictions):
        await scratch.at(at_us)
        await _one(scratch.ledger, tenant, postings)
        at_us += int(apart_s * 1_000_000)
    return at_us


async def _one(ledger: Ledger, tenant: str, postings: Postings) -> None:
    order = Order(
        id=new_id(),
        tenant=tenant,
        key="production",
        model=MODEL,
        price_version=PRICE_VERSION,
        estimate=COST,
        hold=HOLD,
        slot_s=600,
        stale_s=60,
        input_digest=uuid.uuid4().hex[:16],
        facts=FACTS,
    )
    decision = await ledger.reserve(order, postings, [Capacity("main", 10**9, 10**6)])
    if not isinstance(decision, Admitted):
        raise TypeError(f"not admitted: {decision}")
    await ledger.confirm(order.id, str(uuid.uuid4()), 10)
    await ledger.settle(order.id, COST, How.EXACT, "success")


def _postings(tenant: str) -> Postings:
    scopes = (f"tenant/{tenant}/key/production", f"tenant/{tenant}", f"account/{ACCOUNT}")
    limits = [_budget(scope, window) for scope in scopes for window in (WindowName.DAY, WindowName.MONTH)]
    return Postings(PREFIX, scopes, limits)


def _budget(scope: str, window: WindowName) -> Limit:
    return Limit(scope, f"budget-{window}", LimitKind.BUDGET, Mode.ENFORCE, 10**15, window, ZoneInfo("UTC"))


async def _used(redis: Redis) -> int:
    await redis.delete(f"{PREFIX}:ul:main")  # the admissions of the last minute: as many as a rate allows
    return int((await redis.info("memory"))["used_memory"])


async def _name(redis: Redis) -> str:
    info: dict[str, Any] = await redis.info("server")
    return f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=20_000)
    parser.add_argument("--apart", type=float, default=0.6, metavar="SECONDS", help="default 0.6: a hundred a minute")
    parser.add_argument("--server", help="a valkey-server or redis-server; default the embedded one")
    parser.add_argument("--plain", action="store_true", help="hash-max-listpack-* as servers have them")
    flags = parser.parse_args()
    asyncio.run(measure(flags.predictions, flags.apart, flags.server, plain=flags.plain))
