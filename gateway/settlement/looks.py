"""Looks: what upstream says of a prediction, asked for once a second at most, and settled when it has ended."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec

from gateway.domain.recent import Recent
from gateway.domain.reservation import How, Reservation
from gateway.domain.window import MICROSECONDS
from gateway.ledger.sightings import EVERY_SECONDS, Asked, Sightings
from gateway.ledger.store import LedgerUnavailable
from gateway.pricing import WORKFLOW_PREFIX
from gateway.settlement.settlement import Settlement
from gateway.upstream.answers import Reading, read_prediction
from gateway.upstream.client import Answer
from gateway.upstream.eachlabs import Eachlabs
from gateway.upstream.headers import returned

log = logging.getLogger("gateway.looks")

#: While another worker asks, and this one has nothing to show.
PAUSE_SECONDS = 0.1
#: Of answers that a worker keeps, in all.
MOST_KEPT_BYTES = 64 * 2**20
#: What Python takes to keep an answer, besides its body; and each of its headers, if no other answer has it.
LOOK_BYTES = 400
HEADER_BYTES = 200


class Look(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer of upstream's with the headers that a client may see.

    `cost` is what the ledger charged, None while that is open; a `final` look stays as it is for ever.
    """

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    cost: int | None
    final: bool

    @property
    def reading(self) -> Reading | None:
        """What it says of the prediction; None where it is not the answer of one."""
        return read_prediction(self.body) if self.status == 200 else None


class _Seen(msgspec.Struct, frozen=True, gc=False):
    account: str
    at: float
    look: Look

    def bytes(self) -> int:
        return len(self.look.body) + HEADER_BYTES * len(self.look.headers) + LOOK_BYTES


class Kept:
    """The last look of each prediction that a worker has seen, the least used forgotten first."""

    def __init__(self, clock: Callable[[], float] | None = None, most_bytes: int = MOST_KEPT_BYTES) -> None:
        self._clock = clock or time.monotonic  # in seconds; no default value, since the simulator replaces it
        self._seen: Recent[_Seen] = Recent(most_bytes, _Seen.bytes)

    def find(self, account: str, prediction: str) -> tuple[float, Look] | None:
        """Give (age in seconds, look)."""
        seen = self._seen.get(prediction)
        return (self._clock() - seen.at, seen.look) if seen is not None and seen.account == account else None

    def keep(self, account: str, prediction: str, look: Look, age_s: float = 0.0) -> None:
        """Remember a look in place of the one before."""
        self._seen.put(prediction, _Seen(account, self._clock() - age_s, look))


class Looks:
    """Looks at one account's predictions for everybody who wants to know: clients that poll, and the reconciler.

    What it sees is shared by `sightings` with other workers, where there are any.
    """

    def __init__(self, sightings: Sightings | None, upstream: Eachlabs, settlement: Settlement, kept: Kept) -> None:
        self._sightings = sightings
        self._upstream = upstream
        self._settlement = settlement
        self._kept = kept
        self._flights: dict[str, asyncio.Future[tuple[float, Look] | None]] = {}

    async def at(self, reservation: Reservation, prediction: str) -> tuple[float, Look]:
        """Give (age in seconds, look): at most EVERY_SECONDS old, unless it is final or another worker is asking.

        Raises NotSent or OutcomeUnknown. An answer that tells nothing of the prediction (5xx, or of the gateway's
        own key) is passed on and not kept.
        """
        known = self.kept(prediction)
        if known is not None:
            return known
        seen = None
        while seen is None and (flight := self._flights.get(prediction)) is not None:
            seen = await asyncio.shield(flight)
        return seen or await self._fly(reservation, prediction)

    def kept(self, prediction: str) -> tuple[float, Look] | None:
        """Give (age in seconds, look) if upstream need not be asked: it is final, or younger than EVERY_SECONDS."""
        known = self._kept.find(self._upstream.account.id, prediction)
        return known if known is not None and (known[1].final or known[0] < EVERY_SECONDS) else None

    async def now(self, reservation: Reservation, prediction: str) -> Look:
        """Ask upstream itself, however lately it was asked. Raises NotSent or OutcomeUnknown."""
        workflow = reservation.model.startswith(WORKFLOW_PREFIX)
        ask = self._upstream.workflow_execution if workflow else self._upstream.poll
        answer = await ask(prediction, reservation.upstream_key)
        look = await self._judge(reservation, answer)
        if _tells(look):
            name = reservation.prediction or prediction  # which Owners keep too
            self._kept.keep(self._upstream.account.id, name, look)
        return look

    async def _fly(self, reservation: Reservation, prediction: str) -> tuple[float, Look]:
        """Look for everybody who asks meanwhile, and share a failure too; who is stopped leaves it to the next."""
        flight = self._flights[prediction] = asyncio.get_running_loop().create_future()
        seen = None
        try:
            seen = await self._look(reservation, prediction)
            return seen
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # it is told here already, and nobody else may wait for it
            raise
        finally:
            del self._flights[prediction]
            if not flight.done():
                flight.set_result(seen)

    async def _look(self, reservation: Reservation, prediction: str) -> tuple[float, Look]:
        account, sightings = self._upstream.account.id, self._sightings
        while sightings is not None:
            try:
                asked = await sightings.ask(prediction)
            except LedgerUnavailable:  # then every worker asks upstream for itself
                break
            if asked.sighting is None:
                return 0.0, await self._tell(sightings, asked, reservation, prediction)
            if asked.sighting:
                look, age_s = msgspec.msgpack.decode(asked.sighting, type=Look), asked.age_us / MICROSECONDS
                self._kept.keep(account, prediction, look, age_s)
                return age_s, look
            known = self._kept.find(account, prediction)
            if known is not None:
                return known
            await asyncio.sleep(PAUSE_SECONDS)
        return 0.0, await self.now(reservation, prediction)

    async def _tell(self, sightings: Sightings, asked: Asked, reservation: Reservation, prediction: str) -> Look:
        """Ask upstream, and tell the other workers; after a failure anybody may ask again."""
        sighting = b""
        try:
            look = await self.now(reservation, prediction)
            sighting = msgspec.msgpack.encode(look) if _tells(look) else b""
            return look
        finally:
            try:
                await sightings.tell(prediction, asked, sighting)
            except LedgerUnavailable as error:
                log.info("what was seen of %s is not shared: %s", reservation.id, error)

    async def _judge(self, reservation: Reservation, answer: Answer) -> Look:
        """Settle if the answer shows the end: the first look at it does so before anybody sees it."""
        plain = [_once(pair) for pair in returned(answer.headers)]
        reading = read_prediction(answer.body) if answer.status == 200 else None
        if reading is None or not reading.ended:
            return Look(answer.status, plain, answer.body, None, False)
        if reservation.cost is not None and reservation.how is not How.ASSUMED:
            return Look(answer.status, plain, answer.body, reservation.cost, True)
        try:
            cost = await self._settlement.observe(reservation, reading)
        except LedgerUnavailable as error:
            log.warning("%s ended, but cannot be settled yet: %s", reservation.id, error)
            cost = None
        stated = cost is not None and cost == (reading.cost or 0)  # and not assumed: it will not change
        return Look(answer.status, plain, answer.body, cost, stated)


def _tells(look: Look) -> bool:
    """Whether an answer says something of the prediction, and not of upstream or of the gateway's own key."""
    return look.status < 500 and look.status not in (401, 402, 403, 429)


@lru_cache(maxsize=1024)
def _once(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """Give one object for equal headers: most are the same in every answer that is kept."""
    return pair
