"""The ledger of one upstream account: each method runs one verb, in one atomic step of the store."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.domain.limit import tenant_scope
from gateway.domain.money import MAX_UNITS
from gateway.domain.reservation import How, Reservation, State
from gateway.domain.window import MICROSECONDS
from gateway.ledger.decisions import Capacity, Decision, Order
from gateway.ledger.enactment import PolicyBehind
from gateway.ledger.labels import LabelBook
from gateway.ledger.outbox import OWN_BODY_SECONDS, SEATS
from gateway.ledger.postings import Postings, Snapshot, account_prefix, counters_at, parse_postings
from gateway.ledger.records import Ended, read_record
from gateway.ledger.replies import read_decision
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store

#: The longest time between a reserve and the first byte of its create: a worker that is later does not send.
SEND_SECONDS = 2
LATE_SECONDS = 5  # a reserve that takes longer to arrive than this is refused: its worker has given up
GRAVE_SECONDS = 60  # how long a tombstone lies; longer than LATE_SECONDS, so that no reserve can rise behind it
IDEMPOTENCY_SECONDS = 86400  # how long after its end an answer is repeated


class Settled(NamedTuple):
    """What a reservation was settled at: units of 1e-8 USD, and whether this call did it or an earlier one."""

    cost: int
    how: How
    first: bool


class Ledger:
    """Holds, confirms, settles and releases the reservations of one account. Every method may raise
    LedgerUnavailable, and every one may be repeated: a repeat changes nothing."""

    def __init__(
        self,
        store: Store,
        scripts: Mapping[str, Script],
        account: str,
        timed: Callable[[float], object] = lambda _seconds: None,
    ) -> None:
        self.account = account
        self.prefix = account_prefix(account)
        self.store = store
        self._scripts = scripts
        self._labels = LabelBook(store, account)
        self._timed = timed  # told how long each call took, in seconds
        self._seen_us = 0
        self._seen_at = 0.0

    async def now_us(self) -> int:
        """Reckon the store's time in microseconds: what it last said, and how long ago that was.

        Only elapsed time is taken from the worker, so that a wrong clock on its host changes nothing.
        """
        if not self._seen_us:
            seconds, micros = await self.store.near(self.prefix, "TIME")
            self.saw(int(seconds) * MICROSECONDS + int(micros))
        return self._seen_us + int((time.monotonic() - self._seen_at) * MICROSECONDS)

    async def reserve(self, order: Order, postings: Postings, upstream: Sequence[Capacity]) -> Decision:
        """Decide a create over every limit and upstream key, and hold its money, in one step.

        Raises PolicyBehind where the policy in force is not the one by which the order was priced.
        """
        try:
            async with asyncio.timeout(SEND_SECONDS):  # what is decided later could not be sent any more
                return await self._decide(order, postings, upstream)
        except TimeoutError as error:
            raise LedgerUnavailable(f"reserve: no decision within {SEND_SECONDS} s") from error

    async def _decide(self, order: Order, postings: Postings, upstream: Sequence[Capacity]) -> Decision:
        for _ in range(4):  # a window that just ended and a set that is new each cost one more round; more is a fault
            snapshot = postings.at(await self.now_us())
            what, *rest = await self._run("reserve", await self._reserve_request(order, postings, snapshot, upstream))
            if what == b"unseeded":
                await self._run("seed", _seed_request(postings, snapshot))
            elif what == b"behind":
                raise PolicyBehind(f"priced by policy {order.policy}, in force is {int(rest[0])}")
            elif what not in (b"late", b"window"):
                return read_decision(what, rest, snapshot.limits, self._seen_us)
        raise LedgerUnavailable(f"reserve: no decision after 4 tries, the last answer was {what!r}")

    async def confirm(
        self, reservation: str, prediction: str, due_s: float, answer: tuple[int, bytes] | None = None
    ) -> State | None:
        """Record upstream's id of the prediction. `answer` (status, body) is kept for its Idempotency-Key.

        Returns the state afterwards, or None if the reservation is unknown or the prediction another's.
        """
        status, body = answer or (0, b"")
        request = {"id": reservation, "prediction": prediction, "due_us": _us(due_s), "status": status}
        what, state, _ = await self._run("confirm", request, body)
        return None if what in (b"unknown", b"taken") else State(state.decode())

    async def doubt(self, reservation: str, reason: str, due_s: float) -> None:
        """Record that the outcome of the create is unknown; hold and slot stay."""
        await self._run("doubt", {"id": reservation, "reason": reason, "due_us": _us(due_s)})

    async def finish(self, reservation: str, status: str, due_s: float) -> int:
        """Record that the prediction ended while its cost is unknown; returns when that was first seen (µs)."""
        _, _, finished = await self._run("finish", {"id": reservation, "status": status, "due_us": _us(due_s)})
        return int(finished)

    async def settle(
        self, reservation: str, cost: int, how: How, status: str, *, tell: bool = True
    ) -> Settled | None:
        """End the reservation at a cost; returns what it is settled at, or None if it cannot be settled.

        A tenant that asked for a webhook is told (`tell`) in the same step: it lies in the outbox from then on.
        """
        if not 0 <= cost <= MAX_UNITS:
            raise ValueError(f"a cost of {cost} units is out of range")
        news = {"tell": tell, "wait_us": _us(OWN_BODY_SECONDS), "seats": SEATS}
        request = {"id": reservation, "cost": cost, "how": how, "status": status, **news, **_retention()}
        what, state, cost_now, how_now = await self._run("settle", request)
        if state != State.SETTLED.encode():
            return None
        return Settled(int(cost_now), How(how_now.decode()), what == b"done")

    async def correct(self, reservation: Reservation, assumed: int, cost: int) -> bool:
        """Charge the difference to a cost that was assumed, or released as 0; returns whether this call did it."""
        text = await self._postings_text(reservation.id)
        if text is None:
            return False
        scopes, counters = parse_postings(text)
        for _ in range(2):  # a window may end between the reading of the time and the script
            at_us = await self.now_us() if cost > assumed else reservation.admitted_us
            request = {"id": reservation.id, "cost": cost, "scopes": scopes}
            what, *_ = await self._run("correct", request | {"counters": counters_at(self.prefix, counters, at_us)})
            if what != b"window":
                return bool(what == b"done")
        raise LedgerUnavailable("correct: a window ended twice in a row")

    async def _postings_text(self, reservation: str) -> str | None:
        """Read the set of postings of an ended reservation; None once its record is gone."""
        packed = await self.store.read("HGET", f"{self.prefix}:e", reservation)
        if not packed:
            return None
        number = msgspec.msgpack.decode(packed, type=Ended).labels
        postings = (await self._labels.find([number]))[number].postings
        text: bytes = await self.store.read("HGET", f"{self.prefix}:postings", postings)
        return text.decode()

    async def release(self, reservation: str, *, sent: bool, reason: str) -> bool:
        """End the reservation with nothing charged; returns whether this call did it.

        `sent` says that a byte may have left, so that the upstream key's rate is not given back. An unknown id is
        buried: should its reserve arrive late, it finds a tombstone.
        """
        request = {"id": reservation, "sent": sent, "reason": reason, "grave_s": GRAVE_SECONDS, **_retention()}
        what, _ = await self._run("release", request)
        return bool(what == b"done")

    async def absent(self, reservation: str, *, seen: bool = False) -> int:
        """Note that a complete list of executions shows no trace of a doubt, or (`seen`) one that may be its own.

        Returns the time of the first list without a trace since the last with one, in microseconds.
        """
        _, first = await self._run("absent", {"id": reservation, "seen": seen})
        return int(first)

    async def claim(self, most: int, first_s: float, longest_s: float, doubt_s: float) -> list[Reservation]:
        """Take what is due to be looked at; it is due again after `first_s`, doubling up to `longest_s`.

        For a doubt it doubles up to `doubt_s`.
        """
        spans = {"first_us": _us(first_s), "longest_us": _us(longest_s), "doubt_us": _us(doubt_s)}
        _, *found = await self._run("claim", {"most": most, **spans})
        return [read_record(self.account, id_.decode(), flat) for id_, flat in found]

    async def _run(self, verb: str, request: object, *blobs: bytes) -> list[Any]:
        """Run a verb; takes the store's time out of the reply, where it is the second item."""
        begun = time.perf_counter()
        reply = await self.store.run(self._scripts[verb], self.prefix, request, *blobs)
        self._timed(time.perf_counter() - begun)
        self.saw(int(reply.pop(1)))
        return reply

    def saw(self, now_us: int) -> None:
        """Take note of the store's time (microseconds), as of now."""
        self._seen_us, self._seen_at = now_us, time.monotonic()

    async def _reserve_request(
        self, order: Order, postings: Postings, snapshot: Snapshot, upstream: Sequence[Capacity]
    ) -> dict[str, object]:
        idem, hook = order.idempotency, order.webhook
        return {
            "id": order.id,
            "at": await self.now_us(),
            "tenant": order.tenant,
            "key": order.key,
            "model": order.model,
            "price": order.price_version,
            "input": order.input_digest,
            "estimate": order.estimate,
            "hold": order.hold,
            "facts": order.facts,
            "start": snapshot.start_us,
            "stop": snapshot.stop_us,
            "postings": postings.id,
            "scopes": postings.scopes,
            "counters": snapshot.counters,
            "checks": snapshot.checks,
            "upstream": upstream,
            "policy": order.policy,
            "send_us": _us(SEND_SECONDS),
            "slot_us": _us(order.slot_s),
            "stale_us": _us(order.stale_s),
            "late_us": _us(LATE_SECONDS),
            "idem": (f"{self.prefix}:i:{order.tenant}:{idem[0]}", idem[1]) if idem else None,
            "webhook": (hook.url, hook.secret, f"{tenant_scope(order.tenant)} {hook.origin}") if hook else None,
            "dry": order.dry,
        }


def _seed_request(postings: Postings, snapshot: Snapshot) -> dict[str, object]:
    return {"postings": postings.id, "text": postings.text, "counters": snapshot.counters}


def _retention() -> dict[str, int]:
    return {"idem_s": IDEMPOTENCY_SECONDS}


def _us(seconds: float) -> int:
    return int(seconds * MICROSECONDS)
