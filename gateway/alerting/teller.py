"""The teller: tells of every alert, once it is in the store, and looks for those that no create raised.

Told is what is in the log, and in the outbox for every address that the policy has for it; the courier does the rest.

Every worker runs one for each account. They share the work by claims, as the reconciler does: an alert whose worker
died before it was told is claimed again, so that it is told at least once, and always under the same id.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence

from gateway.alerting.words import event, facts
from gateway.domain.limit import Limit
from gateway.domain.webhook import Webhook
from gateway.ledger.alerts import Alert, Alerts
from gateway.ledger.outbox import Outbox
from gateway.ledger.rounds import Rounds

log = logging.getLogger("gateway.teller")
told = logging.getLogger("gateway.alerts")

PAUSE_SECONDS = 1.0


class Teller(Rounds):
    """Tells the alerts of one account until it is stopped.

    `limits` are all that the account's ledger counts; `addresses` gives the URLs to which the alerts of a scope go,
    each with the scope that has it.
    """

    def __init__(
        self, alerts: Alerts, outbox: Outbox, limits: Sequence[Limit], addresses: Callable[[str], Mapping[str, str]]
    ) -> None:
        super().__init__(log, PAUSE_SECONDS)
        self._alerts = alerts
        self._outbox = outbox
        self._limits = limits
        self._addresses = addresses

    async def round(self) -> bool:
        """Tell all that there is to be told."""
        claimed = await self._alerts.claim()
        if claimed.watch:
            await self._alerts.watch(self._limits, claimed.now_us)
        while claimed.alerts or claimed.watch:
            for alert in claimed.alerts:
                await self._tell(alert)
            claimed = await self._alerts.claim([alert.id for alert in claimed.alerts])
        return False

    async def _tell(self, alert: Alert) -> None:
        for url, scope in self._addresses(alert.scope).items():
            await self._outbox.put(_id(alert, url), scope, Webhook(url), event(alert))
        told.warning("%s", json.dumps(facts(alert)))


def _id(alert: Alert, url: str) -> str:
    """Name what one address is told of an alert, the same however often it is."""
    return f"alert_{hashlib.sha256(f'{alert.id} {url}'.encode()).hexdigest()[:32]}"
