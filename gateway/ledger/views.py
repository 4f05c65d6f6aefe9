"""Views: what the ledger knows of one account, read without changing anything."""

import asyncio
from typing import NamedTuple

import msgspec

from gateway.domain.reservation import Reservation, State
from gateway.domain.window import FOREVER_US, MICROSECONDS
from gateway.ledger.decisions import Unfit
from gateway.ledger.labels import LabelBook
from gateway.ledger.outbox import DEAD_SECONDS
from gateway.ledger.postings import Counted, Counter, account_prefix
from gateway.ledger.records import Ended, read_ended, read_record
from gateway.ledger.rolling import add_up, read_buckets
from gateway.ledger.store import Store


class Totals(NamedTuple):
    """The reservations of an account that have not ended; `oldest_us` is the admission of the first, or None."""

    open: int
    in_doubt: int
    oldest_us: int | None


class Mail(NamedTuple):
    """The webhooks for an account's tenants: not delivered, given up, and since when the oldest waits (or None)."""

    undelivered: int
    dead: int
    oldest_us: int | None


class Closure(NamedTuple):
    """Which epoch began, why, behind which entry of the journal, and when (microseconds of the store)."""

    epoch: int
    why: str
    survived: int
    since_us: int


class Views:
    """Reads one account's part of the store. Every method may raise LedgerUnavailable."""

    def __init__(self, store: Store, account: str) -> None:
        self.account = account
        self._store = store
        self.prefix = account_prefix(account)
        self._labels = LabelBook(store, account)

    async def now_us(self) -> int:
        """Read the store's time, in microseconds."""
        seconds, micros = await self._store.near(self.prefix, "TIME")
        return int(seconds) * MICROSECONDS + int(micros)

    async def probe(self) -> None:
        """See that the store takes a write: one that is full, or read-only, answers everything else."""
        await self._store.read("SET", f"{self.prefix}:probe", 1, "EX", 60)

    async def reservation(self, reservation: str) -> Reservation | None:
        """Give a reservation by its id; None for an unknown one, and for a tombstone."""
        flat = await self._store.read("HGETALL", f"{self.prefix}:r:{reservation}")
        pairs = [part for pair in flat.items() for part in pair] if isinstance(flat, dict) else flat
        if not pairs:
            return await self._ended(reservation)
        return read_record(self.account, reservation, pairs) if len(pairs) > 4 else None

    async def _ended(self, reservation: str) -> Reservation | None:
        packed = await self._store.read("HGET", f"{self.prefix}:e", reservation)
        ended = msgspec.msgpack.decode(packed, type=Ended) if packed else None
        if ended is None:
            return None
        return read_ended(self.account, reservation, ended, (await self._labels.find([ended.labels]))[ended.labels])

    async def owner(self, prediction: str) -> str | None:
        """Give the id of the reservation that a prediction belongs to."""
        owner = await self._store.read("HGET", f"{self.prefix}:p", prediction)
        return owner.decode() if owner else None

    async def by_prediction(self, prediction: str) -> Reservation | None:
        """Give the reservation of a prediction."""
        owner = await self.owner(prediction)
        return await self.reservation(owner) if owner else None

    async def predictions(self, tenant: str, offset: int, limit: int) -> list[Reservation]:
        """Give a tenant's predictions, newest first: in the order in which upstream's ids of them came."""
        ids = await self._store.read("LRANGE", f"{self.prefix}:t:{tenant}", -offset - limit, -offset - 1)
        found = await asyncio.gather(*(self.reservation(each.decode()) for each in reversed(ids)))
        return [each for each in found if each is not None]

    async def prediction_count(self, tenant: str) -> int:
        """Count a tenant's predictions that the ledger still keeps."""
        return int(await self._store.read("LLEN", f"{self.prefix}:t:{tenant}"))

    async def oldest_held_us(self) -> int:
        """Give the admission of the oldest create that is perhaps being sent; the far future where there is none."""
        first = await self._store.read("ZRANGE", f"{self.prefix}:held", 0, 0, "WITHSCORES")
        return _score(first) if first else FOREVER_US

    async def closure(self) -> Closure | None:
        """Tell why the account is closed to creates after a failover; None while it is open."""
        values = await self._store.read(
            "HMGET", f"{self.prefix}:epoch", "closed", "number", "why", "survived", "since"
        )
        closed, number, why, survived, since = values
        return Closure(int(number), why.decode(), int(survived), int(since)) if closed else None

    async def held(self) -> list[Reservation]:
        """Give the creates that are perhaps being sent."""
        ids = await self._store.read("ZRANGE", f"{self.prefix}:held", 0, -1)
        found = [await self.reservation(each.decode()) for each in ids]
        return [each for each in found if each is not None and each.state is State.HELD]

    async def doubts(self, from_us: int, until_us: int) -> list[Reservation]:
        """Give the doubts that were admitted in a span, its ends included."""
        ids = await self._store.read("ZRANGEBYSCORE", f"{self.prefix}:doubt", from_us, until_us)
        found = [await self.reservation(each.decode()) for each in ids]
        return [each for each in found if each is not None and each.state is State.IN_DOUBT]

    async def totals(self) -> Totals:
        """Count the reservations that have not ended."""
        live = int(await self._store.read("ZCARD", f"{self.prefix}:live"))
        doubts = int(await self._store.read("ZCARD", f"{self.prefix}:doubt"))
        first = await self._store.read("ZRANGE", f"{self.prefix}:live", 0, 0, "WITHSCORES")
        return Totals(live - doubts, doubts, _score(first) if first else None)

    async def mail(self, now_us: int) -> Mail:
        """Count the webhooks that tenants do not have."""
        undelivered = int(await self._store.read("ZCARD", f"{self.prefix}:outbox"))
        kept_us = now_us - int(DEAD_SECONDS * MICROSECONDS)
        dead = int(await self._store.read("ZCOUNT", f"{self.prefix}:dead", f"({kept_us}", "+inf"))
        first = await self._store.read("ZRANGE", f"{self.prefix}:outbox", 0, 0, "WITHSCORES")
        return Mail(undelivered, dead, _score(first) if first else None)

    async def counted(self, counter: Counter, start_us: int) -> Counted:
        """Read a counter in the window that starts then."""
        if counter.bucket_us:
            fields = await self._store.read("HGETALL", counter.key(self.prefix, start_us))
            return add_up(parts for start, parts in read_buckets(fields).items() if start >= start_us)
        values = await self._store.read("HMGET", counter.key(self.prefix, start_us), "c", "h", "n")
        return Counted(*(int(value or 0) for value in values))

    async def is_complete(self, counter: Counter, start_us: int) -> bool:
        """Tell whether a counter has seen every reservation of its scope in the window that starts then.

        One that is new, or was away from the policy, has not: the next create brings it up from the journal.
        """
        seen = await self._store.read("HGET", counter.key(self.prefix, start_us), "x")
        number, last_us = await self._store.read("HMGET", f"{self.prefix}:x:{counter.scope}", "n", "at")
        return seen == number if seen else int(last_us or -1) < start_us

    async def alerts(self) -> dict[tuple[str, str, str], int]:
        """Count the alerts that were ever raised, by scope, limit and threshold."""
        counted = await self._store.read("HGETALL", f"{self.prefix}:alerts")
        return {_alert_name(name.decode()): int(count) for name, count in counted.items()}

    async def last_use_us(self, scope: str) -> int | None:
        """Give the time of the last create that was admitted (or corrected) under a scope, None if there was none."""
        at = await self._store.read("HGET", f"{self.prefix}:x:{scope}", "at")
        return int(at) if at else None

    async def slots(self, scope: str, now_us: int) -> int:
        """Count the predictions in flight under a scope."""
        return int(await self._store.read("ZCOUNT", f"{self.prefix}:s:{scope}", f"({now_us}", "+inf"))

    async def upstream_slots(self, key: str, now_us: int) -> int:
        """Count the predictions in flight on an upstream key."""
        return int(await self._store.read("ZCOUNT", f"{self.prefix}:us:{key}", f"({now_us}", "+inf"))

    async def rests(self, now_us: int) -> dict[str, Unfit]:
        """Give the upstream keys that rest, and why."""
        packed = await self._store.read("HGETALL", f"{self.prefix}:rests")
        rests = {key.decode(): msgspec.msgpack.decode(text) for key, text in packed.items()}
        return {key: Unfit(why) for key, (why, until_us, *_) in rests.items() if until_us > now_us}

    async def clock_us(self, key: str) -> int:
        """Read a rate's clock: the time at which its bucket is empty, 0 where it long is."""
        return int(await self._store.read("GET", key) or 0)

    async def unnamed(self, from_us: int) -> list[tuple[str, int]]:
        """Give (model, cost) of the runs that were settled by their usage after a time, at most a day ago, and whose
        executions upstream did not name."""
        found = await self._store.read("ZRANGEBYSCORE", f"{self.prefix}:unnamed", from_us, "+inf")
        rows = [member.decode().split(" ", 2) for member in found]
        return [(model, int(cost)) for _, cost, model in rows]

    async def own_file(self, file: str, tenant: str, keep_s: int) -> None:
        """Remember whose upload a file is, for `keep_s` seconds."""
        await self._store.read("SET", f"{self.prefix}:f:{file}", tenant, "EX", keep_s)

    async def file_owner(self, file: str) -> str | None:
        """Give the tenant that presigned a file."""
        owner = await self._store.read("GET", f"{self.prefix}:f:{file}")
        return owner.decode() if owner else None


def _alert_name(text: str) -> tuple[str, str, str]:
    scope, limit, share = text.split("|")
    return scope, limit, share


def _score(pairs: list[object]) -> int:
    """Take the first score of a sorted set's reply, whichever protocol version shaped it."""
    first = pairs[0]
    score = first[1] if isinstance(first, list | tuple) else pairs[1]
    return int(float(score))  # type: ignore[arg-type]  # the client types no replies
