"""Recovery: what a failover lost is found and charged, before creates are admitted again.

Every worker takes part, and there is no leader. Each tells the store again what it has admitted; what no worker knows
any more is found in upstream's own list, and charged to the account. See `attend.lua` for how a loss is found out.
"""

import logging
from datetime import UTC, datetime

from gateway.domain.window import MICROSECONDS
from gateway.ledger.attendance import WHY, Presence
from gateway.ledger.ledger import Ledger
from gateway.ledger.requests import SEND_SECONDS
from gateway.ledger.rounds import Rounds
from gateway.settlement.inquest import APART_US
from gateway.settlement.listing import SLACK_US
from gateway.settlement.unattributed import Unattributed

log = logging.getLogger("gateway.recovery")

PAUSE_SECONDS = 0.5


class Recovery(Rounds):
    """Brings one account's ledger up to what was acknowledged; every step may be repeated, by any worker."""

    def __init__(self, ledger: Ledger, unattributed: Unattributed, create_timeout_s: float) -> None:
        super().__init__(log, PAUSE_SECONDS)
        self._ledger = ledger
        self._unattributed = unattributed
        self._landed_us = int((SEND_SECONDS + create_timeout_s) * MICROSECONDS) + SLACK_US
        self._told: set[tuple[int, str]] = set()

    async def round(self) -> bool:
        """Attend, and search for what was lost where it is this worker's turn.

        A worker that was there and is not heard of may have had creates on their way: those land first.
        """
        presence = await self._ledger.attend(self._landed_us)
        if presence.open:
            if presence.turn:
                await self._search(presence)
        elif not presence.from_us:
            self._tell(presence, "nothing is left to go by; restore a backup, or run gateway ledger reopen")
        elif presence.turn:
            await self._search(presence)
        elif presence.awaited:
            self._tell(presence, f"{len(presence.awaited)} workers that were there have not told what they know yet")
        return False

    async def _search(self, presence: Presence) -> None:
        """Charge what is found; once nothing is left to find out, open. Upstream's list may be a minute late, so the
        search goes on for a while: what began before cannot be mistaken for what is admitted from now on."""
        last_us = presence.since_us + self._landed_us
        if presence.open and presence.now_us > last_us + 2 * APART_US:
            return
        left = await self._unattributed.charge(presence.from_us, last_us)
        if presence.open:
            return
        if left:
            self._tell(presence, left)
        elif await self._ledger.reopen(presence.epoch, "gateway", "reconciled with upstream"):
            log.warning("account %s is open to creates again: reconciled with upstream", self._ledger.account)

    def _tell(self, presence: Presence, what: str) -> None:
        """Tell the operator, once for each new thing."""
        if (presence.epoch, what) not in self._told:
            self._told.add((presence.epoch, what))
            began = datetime.fromtimestamp(presence.since_us // MICROSECONDS, UTC).isoformat()
            log.error(
                "account %s is closed to creates since %s (%s: %s), behind entry %d of its journal: %s",
                *(self._ledger.account, began, presence.why, WHY[presence.why], presence.survived, what),
            )
