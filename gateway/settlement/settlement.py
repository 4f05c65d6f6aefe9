"""Settlement: what a reading of a prediction means for the money that is held for it."""

import logging

import msgspec

from gateway.domain.money import UNITS_PER_USD
from gateway.domain.reservation import UNATTRIBUTED, How, Reservation, State
from gateway.domain.window import MICROSECONDS
from gateway.ledger.decisions import Rest
from gateway.ledger.ledger import Ledger
from gateway.telemetry import Telemetry
from gateway.upstream.answers import Phase, Reading, phase_of

log = logging.getLogger("gateway.settlement")

#: How long a success whose cost reads nothing is read again, before the estimate is taken.
COST_SECONDS = 60
#: The first pause before it is read again; the reconciler's claims lengthen it.
REREAD_SECONDS = 2.0


class Settlement:
    """Says what becomes of one account's reservations; every method may raise LedgerUnavailable and be repeated."""

    def __init__(self, ledger: Ledger, telemetry: Telemetry) -> None:
        self._ledger = ledger
        self._telemetry = telemetry

    async def confirm(
        self, reservation: str, prediction: str, due_s: float, answer: tuple[int, bytes] | None = None
    ) -> State | None:
        """Bind a prediction to its reservation; returns the state afterwards, None if it cannot be bound."""
        return await self._ledger.confirm(reservation, prediction, due_s, answer)

    async def found(self, reservation: str, prediction: str) -> State | None:
        """Bind a prediction to a create whose answer is not known; returns the state afterwards as `confirm` does.

        Who repeats that create by its Idempotency-Key gets the answer that it would have had.
        """
        answer = {"status": "success", "message": "Prediction created successfully", "predictionID": prediction}
        return await self.confirm(reservation, prediction, 0, (200, msgspec.json.encode(answer)))

    async def doubt(self, reservation: str, reason: str, due_s: float) -> None:
        """Keep the hold of a create whose outcome is unknown, to be looked for in `due_s` seconds."""
        await self._ledger.doubt(reservation, reason, due_s)

    async def observe(self, reservation: Reservation, reading: Reading, *, may_assume: bool = False) -> int | None:
        """Settle if the reading allows it; returns the cost it is settled at, or None while it is open.

        A success needs a cost above zero: a cost that reads 0 or is absent is read again for COST_SECONDS after
        the end was first seen; then the estimate is charged, as assumed, by a caller that has asked everywhere
        (`may_assume`). Whatever else ended costs what upstream states, and nothing where it states nothing.
        """
        if not reading.ended:
            return None
        stated = reading.cost or 0
        if reading.phase is not Phase.SUCCEEDED or stated > 0 or reservation.estimate == 0:
            ran_ms = reading.run_ms if reading.phase is Phase.SUCCEEDED else 0
            return await self._settle(reservation, stated, How.EXACT, reading.status, ran_ms)
        finished_us = await self._ledger.finish(reservation.id, reading.status, REREAD_SECONDS)
        # 0: the ledger does not have it running (yet), so that no time has begun whose end could be an assumption.
        if not finished_us or await self._ledger.now_us() - finished_us < COST_SECONDS * MICROSECONDS:
            return None
        if not may_assume:
            return None
        return await self.assume(reservation, reading.status)

    async def meter(self, reservation: Reservation, cost: int) -> int | None:
        """Charge what the policy's price makes of the usage that upstream stated; returns as `observe` does."""
        return await self._settle(reservation, cost, How.METERED, "success")

    async def assume(self, reservation: Reservation, status: str) -> int | None:
        """Charge the estimate, because upstream never stated the cost."""
        return await self._settle(reservation, reservation.estimate, How.ASSUMED, status)

    async def charge(self, reservation: Reservation, reading: Reading) -> bool:
        """Charge what ran although it had been released as absent; returns whether a cost is stated."""
        if reading.cost and await self._ledger.correct(reservation, 0, reading.cost):
            log.error("%s was released as absent, but ran; %d units are charged", reservation.id, reading.cost)
            self._count(reservation, How.LATE, reading.cost)
        return bool(reading.cost)

    async def release(self, reservation: str, *, sent: bool, reason: str, rest: Rest | None = None) -> None:
        """Give the hold back, because provably nothing ran; let its upstream key rest if need be."""
        if await self._ledger.release(reservation, sent=sent, reason=reason, rest=rest):
            self._telemetry.settlements.labels(How.RELEASED).inc()

    async def _settle(
        self, reservation: Reservation, cost: int, how: How, status: str, run_ms: int = 0
    ) -> int | None:
        if reservation.tenant == UNATTRIBUTED and how is How.EXACT:
            how = How.UNATTRIBUTED
        tell = phase_of(status) is not Phase.CANCELLED  # of which upstream tells nobody either
        settled = await self._ledger.settle(reservation.id, cost, how, status, tell=tell, run_ms=run_ms)
        if settled is None:
            return None
        if settled.first:
            self._count(reservation, settled.how, settled.cost)
            if how is How.EXACT and phase_of(status) is Phase.SUCCEEDED and reservation.price_version:
                self._compare(reservation, settled.cost)
        elif settled.how is How.ASSUMED and how is How.EXACT and cost != settled.cost:
            log.warning("%s was charged at %d units by assumption; it cost %d", reservation.id, settled.cost, cost)
            if await self._ledger.correct(reservation, settled.cost, cost):
                self._count(reservation, How.LATE, max(cost - settled.cost, 0))
            return cost
        return settled.cost

    def _count(self, reservation: Reservation, how: How, cost: int) -> None:
        self._telemetry.settlements.labels(how).inc()
        usd = cost / UNITS_PER_USD  # a metric, not money: Prometheus has floats only
        self._telemetry.settled_usd.labels(reservation.tenant, self._telemetry.model(reservation.model)).inc(usd)

    def _compare(self, reservation: Reservation, cost: int) -> None:
        """Count what upstream billed for a success beside what our price of it said."""
        model, estimate = self._telemetry.model(reservation.model), reservation.estimate
        self._telemetry.billed_usd.labels(model).inc(cost / UNITS_PER_USD)
        self._telemetry.billed_estimate_usd.labels(model).inc(estimate / UNITS_PER_USD)
        if reservation.hold != estimate:
            against = "uncertain"  # the request left the price open
        else:
            against = "equal" if cost == estimate else "above" if cost > estimate else "below"
        self._telemetry.billed.labels(model, against).inc()
