"""The store's content, read at one moment for the invariants."""

from typing import Any

import msgspec
from redis import Redis

from simulation.invariants import Content

PREFIX = "{up}"
#: How the scripts pack a record that ended, put down a second time on purpose.
ENDED = (
    *("state", "labels", "model", "upstream", "estimate", "hold", "admitted", "prediction", "confirmed"),
    *("finished", "ended", "cost", "how", "status"),
)


def read_content(redis: "Redis[bytes]", now_us: int) -> Content:
    """Read every index, slot list and record."""
    names = sorted(name.decode() for name in redis.keys(f"{PREFIX}:*"))
    slots = [name for name in names if name.startswith(f"{PREFIX}:s:")]
    keys = [name for name in names if name.startswith(f"{PREFIX}:us:")]
    records = [name for name in names if name.startswith(f"{PREFIX}:r:")]
    clocks = [name for name in names if name.startswith(f"{PREFIX}:g:") and not name.endswith("|back")]
    pipeline: Any = redis.pipeline(transaction=False)
    indexes = ("live", "held", "doubt", "due")
    for index in indexes:
        pipeline.zrange(f"{PREFIX}:{index}", 0, -1)
    for name in (*slots, *keys):
        pipeline.zrange(name, 0, -1, withscores=True)
    for name in records:
        pipeline.hgetall(name)
    pipeline.hgetall(f"{PREFIX}:alerts")
    for name in clocks:
        pipeline.get(name)
    found = iter(pipeline.execute())
    sets = [{each.decode() for each in next(found)} for _ in indexes]
    members = {name: {id_.decode(): score for id_, score in next(found)} for name in (*slots, *keys)}
    kept = {name[len(f"{PREFIX}:r:") :]: _live(next(found)) for name in records}
    kept |= {id_.decode(): _ended(packed) for id_, packed in redis.hgetall(f"{PREFIX}:e").items()}
    return Content(
        now_us,
        *sets,
        {name[len(f"{PREFIX}:s:") :]: members[name] for name in slots},
        {name[len(f"{PREFIX}:us:") :]: members[name] for name in keys},
        kept,
        {name.decode(): int(count) for name, count in next(found).items()},
        {name: int(next(found) or 0) for name in clocks},
    )


def read_mail(redis: "Redis[bytes]") -> list[str]:
    """Read whose webhooks are not delivered, or were given up."""
    return [id_.decode() for name in ("outbox", "dead") for id_ in redis.zrange(f"{PREFIX}:{name}", 0, -1)]


def _live(record: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in record.items()}


def _ended(packed: bytes) -> dict[str, str]:
    return dict(zip(ENDED, map(str, msgspec.msgpack.decode(packed)), strict=True))
