"""The courier: brings webhooks to tenants, and alerts to operators, until they have them, or a day has passed.

Every worker runs one for each account. They share the work by claims: what one has taken is taken by another if it is
not heard of again, so that nothing is lost with a worker, and a webhook may come twice, under the same id.
"""

import asyncio
import logging

from gateway.delivery.signing import Signer
from gateway.domain.window import MICROSECONDS
from gateway.ledger.outbox import Delivery, Outbox
from gateway.ledger.store import LedgerUnavailable
from gateway.ledger.views import Views
from gateway.telemetry import Telemetry
from gateway.upstream.answers import Phase, read_prediction
from gateway.upstream.client import NotSent, OutcomeUnknown, Outgoing, Upstream
from gateway.upstream.eachlabs import POLL_SECONDS, Eachlabs
from gateway.upstream.webhooks import write_webhook

log = logging.getLogger("gateway.courier")

PAUSE_SECONDS = 0.5
MOST_AT_ONCE = 64
ANSWER_SECONDS = 15.0
#: A delivery that was not heard of by then has lost its worker.
LEASE_SECONDS = ANSWER_SECONDS + POLL_SECONDS + 5
FIRST_SECONDS = 5.0
LONGEST_SECONDS = 3600.0
GIVE_UP_SECONDS = 86400.0
MOST_BODY_BYTES = 2**20
GONE = 410


class Failed(Exception):
    """Says why a webhook could not be delivered this time."""


class Hopeless(Exception):
    """Says why a webhook cannot be delivered at all."""


class Untold(Exception):
    """Says that nobody is to be told after all."""


class Courier:
    """Delivers what is in one account's outbox, until it is stopped.

    `tenants` calls addresses that tenants write, and so the public internet only; `operators` those of the policy.
    """

    def __init__(
        self,
        outbox: Outbox,
        views: Views,
        upstream: Eachlabs,
        tenants: Upstream,
        operators: Upstream,
        signer: Signer,
        telemetry: Telemetry,
    ) -> None:
        self._outbox = outbox
        self._views = views
        self._upstream = upstream
        self._tenants = tenants
        self._operators = operators
        self._signer = signer
        self._telemetry = telemetry
        self._open = 0
        self._stopping = False

    def stop(self) -> None:
        """Let what is under way come to its end, and begin no more."""
        self._stopping = True

    async def run(self) -> None:
        """Take and deliver until stopped; no failure of store, upstream or tenant, nor a fault here, ends it."""
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                taken = await self._take()
                for delivery in taken:
                    self._open += 1
                    group.create_task(self.deliver(delivery)).add_done_callback(self._ended)
                if not taken:
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _take(self) -> list[Delivery]:
        free = MOST_AT_ONCE - self._open
        try:
            return await self._outbox.take(free, LEASE_SECONDS) if free else []
        except LedgerUnavailable as error:
            log.warning("the ledger does not answer: %s", error)
        except Exception:
            log.exception("what is to be delivered could not be read; it is tried again")
        return []

    def _ended(self, _task: "asyncio.Task[None]") -> None:
        self._open -= 1

    async def deliver(self, delivery: Delivery) -> None:
        """Try once, and note how it went; what cannot be noted is tried again when its lease is over."""
        try:
            try:
                await self._post(delivery, delivery.body or await self._own_body(delivery))
            except Failed as error:
                await self._failed(delivery, str(error))
            except Hopeless as error:
                await self._give_up(delivery, str(error))
            except Untold:
                await self._outbox.delivered(delivery.id)
            else:
                if await self._outbox.delivered(delivery.id):
                    self._count(delivery, "delivered")
        except LedgerUnavailable as error:
            log.warning("the ledger does not answer: %s", error)
        except Exception:
            log.exception("the webhook of %s failed; it is tried again", delivery.id)

    async def _own_body(self, delivery: Delivery) -> bytes:
        """Write the body that upstream would have sent: its own webhook did not come."""
        found = await self._views.reservation(delivery.id)
        if found is None or found.prediction is None:
            raise Hopeless("nothing is kept of the prediction")
        try:
            answer = await self._upstream.poll(found.prediction, found.upstream_key)
        except (NotSent, OutcomeUnknown) as error:
            raise Failed(f"upstream does not answer for the prediction: {error}") from error
        reading = read_prediction(answer.body) if answer.status == 200 else None
        if reading and reading.phase is Phase.CANCELLED:  # after its cost had been assumed
            raise Untold
        body = write_webhook(found.prediction, answer.body) if reading else None
        if body is None:
            raise Failed("upstream does not say how the prediction ended")
        if len(body) > MOST_BODY_BYTES:
            raise Hopeless(f"its body is longer than {MOST_BODY_BYTES} bytes")
        standing = await self._outbox.notice(delivery.id, found.prediction, body)
        if standing is None:
            raise Untold
        return standing

    async def _post(self, delivery: Delivery, body: bytes) -> None:
        """Send it once. Any 2xx is a receipt; the answer's body is not read. Raises Failed or Hopeless."""
        at_s = delivery.taken_us // MICROSECONDS
        headers = self._signer.headers(delivery.purpose, delivery.id, at_s, body)
        headers.append((b"content-type", b"application/json"))
        if delivery.webhook.secret:
            headers.append((b"x-webhook-secret", delivery.webhook.secret.encode()))
        request = Outgoing("POST", delivery.webhook.url, headers, body, ANSWER_SECONDS)
        try:
            async with self._way_to(delivery).stream(request) as answer:
                status = answer.status
        except (NotSent, OutcomeUnknown) as error:
            raise Failed(str(error)) from error
        if status == GONE:
            raise Hopeless("answered 410 Gone")
        if not 200 <= status < 300:
            raise Failed(f"answered {status}")

    async def _failed(self, delivery: Delivery, why: str) -> None:
        pause_s = min(FIRST_SECONDS * 2 ** min(delivery.tries - 1, 30), LONGEST_SECONDS)
        age_s = (delivery.taken_us - delivery.since_us) / MICROSECONDS
        if age_s + pause_s > GIVE_UP_SECONDS:
            await self._give_up(delivery, why)
        elif await self._outbox.failed(delivery.id, why, pause_s):
            log.info("the webhook of %s: %s; again in %d s", delivery.id, why, pause_s)
            self._count(delivery, "failed")

    async def _give_up(self, delivery: Delivery, why: str) -> None:
        if await self._outbox.give_up(delivery.id, why):
            log.error("the webhook of %s is given up after try %d: %s", delivery.id, delivery.tries, why)
            self._count(delivery, "dead")

    def _way_to(self, delivery: Delivery) -> Upstream:
        """Choose by who wrote the address: an alert's stands in the policy."""
        return self._operators if delivery.is_alert else self._tenants

    def _count(self, delivery: Delivery, result: str) -> None:
        if delivery.is_alert:
            self._telemetry.alert_deliveries.labels(delivery.scope, result).inc()
        else:
            self._telemetry.webhook_deliveries.labels(delivery.scope.removeprefix("tenant/"), result).inc()
