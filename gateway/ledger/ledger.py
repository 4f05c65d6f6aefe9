"""The ledger of one upstream account: each method runs one verb, in one atomic step of the store."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.domain.limit import Limit
from gateway.domain.money import MAX_UNITS
from gateway.domain.reservation import How, Reservation, State
from gateway.domain.window import MICROSECONDS
from gateway.ledger.attendance import Attendance, Presence
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.decisions import Admitted, Capacity, Decision, Order, Rest
from gateway.ledger.enactment import PolicyBehind
from gateway.ledger.labels import LabelBook
from gateway.ledger.memory import Memory, Remembered
from gateway.ledger.outbox import OWN_BODY_SECONDS, SEATS
from gateway.ledger.postings import Postings, Snapshot, account_prefix, counters_at, parse_postings
from gateway.ledger.queue import Queue
from gateway.ledger.records import Ended, read_record
from gateway.ledger.replies import read_decision
from gateway.ledger.requests import SEND_SECONDS, in_us, reserve_request, rest_request
from gateway.ledger.run_times import MOST_RUNS
from gateway.ledger.scripts import Script
from gateway.ledger.seeding import Seeding
from gateway.ledger.store import LedgerUnavailable, Store

GRAVE_SECONDS = 60  # how long a tombstone lies; longer than LATE_SECONDS, so that no reserve can rise behind it
IDEMPOTENCY_SECONDS = 86400  # how long after its end an answer is repeated

#: Replies of a reserve that decide nothing: something has to be done first.
_AGAIN = frozenset((b"unseeded", b"closed", b"late", b"window"))


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
        self.presence: Presence | None = None  # as it was told last
        self._scripts = scripts
        self._labels = LabelBook(store, account)
        self._seeding = Seeding(Checkpoint(store, scripts, account), self._run)
        self._timed = timed  # told how long each call took, in seconds
        self._attendance = Attendance(store, scripts, account)
        self.queue = Queue(store, scripts, account, self._attendance.worker)
        self._memory = Memory()
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

        Where that answers Queued, it is to be asked again when the queue calls, or to be released.
        Raises PolicyBehind where the policy in force is not the one by which the order was priced.
        """
        by = time.monotonic() + SEND_SECONDS  # what is decided later could not be sent any more
        if self.presence is not None:  # the usual: one call, which the store bounds
            decision = await self._propose(order, postings, upstream)
            if decision is not None:
                return decision
        try:
            async with asyncio.timeout(by - time.monotonic()):
                return self._decided(order, postings, *await self._ask(order, postings, upstream))
        except TimeoutError as error:
            raise LedgerUnavailable(f"reserve: no decision within {SEND_SECONDS} s") from error

    async def _propose(self, order: Order, postings: Postings, upstream: Sequence[Capacity]) -> Decision | None:
        """Ask once; None where something has to be done before there can be an answer."""
        what, rest, snapshot = await self._request(order, postings, upstream, None)
        return None if what in _AGAIN else self._decided(order, postings, what, rest, snapshot.limits)

    def _decided(
        self, order: Order, postings: Postings, what: bytes, rest: list[Any], limits: Sequence[Limit]
    ) -> Decision:
        if what == b"behind":
            raise PolicyBehind(f"priced by policy {order.policy}, in force is {int(rest[0])}")
        decision = read_decision(what, rest, limits, self._seen_us)
        if isinstance(decision, Admitted) and not order.dry:
            self._memory.admitted(Remembered(order, postings, decision.at_us, decision.upstream_key))
        return decision

    async def _ask(
        self, order: Order, postings: Postings, upstream: Sequence[Capacity], replay: Remembered | None = None
    ) -> tuple[bytes, list[Any], Sequence[Limit]]:
        """Ask until there is an answer; gives its first word, the rest, and the limits of which it speaks."""
        attended = self.presence is None
        if attended:  # so that a loss from now on is one of which this worker knows
            await self._attend()
        for _ in range(5):  # a window that just ended, a new set and a new server each cost a round; more is a fault
            what, rest, snapshot = await self._request(order, postings, upstream, replay)
            if what == b"unseeded":
                await self._seeding.once(postings, snapshot)
            elif what == b"closed" and not attended:  # perhaps the server is merely a new one
                attended = True
                await self._attend()
            elif what not in (b"late", b"window"):
                return what, rest, snapshot.limits
        raise LedgerUnavailable(f"reserve: no decision after 5 tries, the last answer was {what!r}")

    async def _request(
        self, order: Order, postings: Postings, upstream: Sequence[Capacity], replay: Remembered | None
    ) -> tuple[bytes, list[Any], Snapshot]:
        """Run the reserve script once; gives its first word, the rest, and the snapshot that it was asked with."""
        now_us = await self.now_us()
        snapshot = postings.at(now_us)
        request = reserve_request(order, postings, snapshot, upstream, now_us, replay, self._attendance.worker)
        what, *rest = await self._run("reserve", request)
        return what, rest, snapshot

    async def attend(self, landed_us: int | None = None) -> Presence:
        """Say that this worker is there, and learn whether the account is open to creates.

        To be repeated while the worker runs. Where the store may have lost what it acknowledged, what this worker
        knows is told to it again. `landed_us` as in Attendance.
        """
        presence = await self._attend(landed_us)
        if not self._attendance.has_replayed(presence.epoch):
            for create in self._memory.since(presence.from_us):
                await self.readmit(create)
            self._attendance.replayed(presence.epoch)
            presence = await self._attend(landed_us)
        return presence

    async def readmit(self, lost: Remembered) -> bool:
        """Hold the money of a create that was admitted and is lost, whatever the limits are now.

        Returns whether this call did it; one that is known, or whose prediction has another reservation, is not held.
        Raises LedgerUnavailable where the store was replaced again meanwhile.
        """
        what, *_ = await self._ask(lost.order, lost.postings, (), lost)
        if what == b"closed":
            raise LedgerUnavailable("reserve: the store was replaced once more")
        if what in (b"admitted", b"known") and lost.prediction:
            await self.confirm(lost.order.id, lost.prediction, lost.due_s, lost.answer)
        return what == b"admitted"

    async def reopen(self, epoch: int, by: str, reason: str) -> bool:
        """Admit creates again after a failover; returns whether this call did it."""
        return await self._attendance.reopen(epoch, by, reason)

    async def leave(self) -> None:
        """Say that this worker stops."""
        await self._attendance.leave()

    async def _attend(self, landed_us: int | None = None) -> Presence:
        presence = await self._attendance.attend(landed_us)
        self.saw(presence.now_us)
        self.presence = presence
        return presence

    async def confirm(
        self, reservation: str, prediction: str, due_s: float, answer: tuple[int, bytes] | None = None
    ) -> State | None:
        """Record upstream's id of the prediction. `answer` (status, body) is kept for its Idempotency-Key.

        Returns the state afterwards, or None if the reservation is unknown or the prediction another's.
        """
        self._memory.confirmed(reservation, prediction, due_s, answer)
        status, body = answer or (0, b"")
        request = {"id": reservation, "prediction": prediction, "due_us": in_us(due_s), "status": status}
        what, state, _ = await self._run("confirm", request, body)
        return None if what in (b"unknown", b"taken") else State(state.decode())

    async def doubt(self, reservation: str, reason: str, due_s: float) -> None:
        """Record that the outcome of the create is unknown; hold and slot stay."""
        await self._run("doubt", {"id": reservation, "reason": reason, "due_us": in_us(due_s)})

    async def finish(self, reservation: str, status: str, due_s: float) -> int:
        """Record that the prediction ended while its cost is unknown; returns when that was first seen (µs)."""
        _, _, finished = await self._run("finish", {"id": reservation, "status": status, "due_us": in_us(due_s)})
        return int(finished)

    async def settle(
        self, reservation: str, cost: int, how: How, status: str, *, tell: bool = True, run_ms: int = 0
    ) -> Settled | None:
        """End the reservation at a cost; returns what it is settled at, or None if it cannot be settled.

        A tenant that asked for a webhook is told (`tell`) in the same step: it lies in the outbox from then on.
        How long it ran (`run_ms`, 0 where nobody knows) is kept of the model's last runs.
        """
        if not 0 <= cost <= MAX_UNITS:
            raise ValueError(f"a cost of {cost} units is out of range")
        news = {"tell": tell, "wait_us": in_us(OWN_BODY_SECONDS), "seats": SEATS}
        ran = {"run_ms": run_ms, "runs": MOST_RUNS}
        request = {"id": reservation, "cost": cost, "how": how, "status": status, **ran, **news, **_retention()}
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

    async def release(self, reservation: str, *, sent: bool, reason: str, rest: Rest | None = None) -> bool:
        """End the reservation with nothing charged; returns whether this call did it.

        `sent` says that a byte may have left, so that the upstream key's rate is not given back. An unknown id is
        buried: should its reserve arrive late, it finds a tombstone. `rest` is for its upstream key.
        """
        self._memory.released(reservation)
        request = {"id": reservation, "sent": sent, "reason": reason, "grave_s": GRAVE_SECONDS, **_retention()}
        request["rest"] = rest_request(rest)
        what, _ = await self._run("release", request)
        return bool(what == b"done")

    async def absent(self, reservation: str, *, seen: bool = False) -> int:
        """Note that a complete list of executions shows no trace of a doubt, or (`seen`) one that may be its own.

        Returns the time of the first list without a trace since the last with one, in microseconds.
        """
        _, first = await self._run("absent", {"id": reservation, "seen": seen})
        return int(first)

    async def claim(
        self, most: int, first_s: float, longest_s: float, doubt_s: float, ahead_s: float = 0
    ) -> list[Reservation]:
        """Take what is due to be looked at; it is due again after `first_s`, doubling up to `longest_s`.

        For a doubt it doubles up to `doubt_s`. With what is due comes what runs and is due within `ahead_s`.
        """
        spans = {"first_us": in_us(first_s), "longest_us": in_us(longest_s), "doubt_us": in_us(doubt_s)}
        spans["ahead_us"] = in_us(ahead_s)
        _, *found = await self._run("claim", {"most": most, **spans})
        return [read_record(self.account, id_.decode(), flat) for id_, flat in found]

    async def postpone(self, dues: Mapping[str, float]) -> None:
        """Say in how many seconds each reservation that still runs is to be looked at again."""
        await self._run("postpone", {"dues": [(id_, in_us(seconds)) for id_, seconds in dues.items()]})

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


def _retention() -> dict[str, int]:
    return {"idem_s": IDEMPOTENCY_SECONDS}
