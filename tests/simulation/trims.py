"""The journal under simulation: it is rolled up, exported, trimmed and summed up beside everything else."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from redis import Redis

from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.scripts import Script
from gateway.ledger.spending import read_spending
from gateway.ledger.store import LedgerUnavailable, Store
from gateway.ledger.trimming import Trimmer
from simulation.chaos import Chaos
from simulation.reference import Reference
from simulation.violation import check

#: How old what is dropped must be: much younger than any operator would have it, so that little is left to rest on.
AGES_S = (0, 5, 60, 600)


def rolled(ref: Reference, rest: Sequence[int]) -> None:
    """Take over where the checkpoint is."""
    check("journal", ref.rolled <= rest[0] <= rest[1] == ref.sequence, "rolled from", ref.rolled, "to", rest)
    ref.rolled = rest[0]


def acknowledged(ref: Reference, req: Mapping[str, Any], what: str) -> None:
    """Take over what was exported."""
    check("journal", (what == "beyond") == (req["upto"] > ref.sequence), req, "is acknowledged of", ref.sequence)
    if what == "done":
        ref.exported = max(ref.exported, req["upto"])


def trimmed(ref: Reference, req: Mapping[str, Any], rest: Sequence[int], at: int) -> None:
    """Check that a trim drops what may go, and nothing else."""
    dropped, floor = rest
    check("journal", floor == ref.floor + dropped, "from", ref.floor, "a trim of", dropped, "came to", floor)
    for sequence in range(ref.floor + 1, floor + 1):
        old = req["older_us"] >= 0 and at - ref.times[sequence - 1] >= req["older_us"]
        may = old or (req["exported"] and sequence <= ref.exported)
        check("journal", may and sequence <= min(req["upto"], ref.rolled), "entry", sequence, "was dropped by", req)
    ref.floor = floor


def check_journal(ref: Reference, redis: "Redis[bytes]", prefix: str) -> None:
    """See that the journal begins behind what was dropped, and ends where it should."""
    ids = [int(id_.partition(b"-")[0]) for id_, _ in redis.xrange(f"{prefix}:journal")]
    check("journal", ids == list(range(ref.floor + 1, ref.sequence + 1)), "after", ref.floor, "there is", ids[:3])


async def keep(client: Any, scripts: Mapping[str, Script], ref: Reference, chaos: Chaos) -> None:
    """Export and trim, again and again, over a network that fails."""
    store = Store(client)
    trimmer, checkpoint = Trimmer(store, scripts, "up"), Checkpoint(store, scripts, "up")
    while True:
        await asyncio.sleep(chaos.random.expovariate(1 / 30))
        try:
            if chaos.random.random() < 0.5:
                await checkpoint.acknowledge(chaos.random.randint(0, ref.sequence))
            if chaos.random.random() < 0.3:  # of somebody who would have everything dropped; the script knows better
                request = {"upto": ref.sequence + 9, "exported": True, "older_us": -1, "most": 9}
                await store.run(scripts["trim"], "{up}", request)
            age_us = chaos.random.choice(AGES_S) * 1_000_000
            whole = chaos.random.random() < 0.3
            done = await (trimmer.drop_exported(age_us) if whole else trimmer.drop_old(age_us))
        except LedgerUnavailable:
            continue
        check("audit", not done.faults, done.faults[:2])


async def check_spending(ref: Reference, store: Store, scripts: Mapping[str, Script]) -> None:
    """Compare the spending by day, tenant, key and model with the reference."""
    right: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for held in ref.all.values():
        sums = right[_group(held.admitted, held.tenant, held.key, held.model)]
        sums[0] += held.state != "released"
        sums[1] += held.settled_at_first
        sums[2] += held.hold if held.live else 0
    for correction in ref.corrections:
        held = ref.all[correction.id]
        sums = right[_group(correction.at, held.tenant, held.key, held.model)]
        sums[0] += correction.predictions
        sums[1] += correction.more
    told = await read_spending(store, scripts, "up")
    found = {(str(group.day), group.tenant, group.key, group.model): list(sums) for group, sums in told.items()}
    wanted = {group: sums for group, sums in right.items() if any(sums)}
    check("bill", found == wanted, "the spending is", found, "and should be", wanted)


def _group(at_us: int, *names: str) -> tuple[str, ...]:
    return (str(datetime.fromtimestamp(at_us // 1_000_000, UTC).date()), *names)


def calm() -> Chaos:
    """Give a network without faults."""
    return Chaos(random.Random(0), calm=True)
