"""Alerts: thresholds of limits that the scripts saw reached, kept in the store until they are told."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.domain.limit import Limit, LimitKind
from gateway.ledger.fold import parse_place
from gateway.ledger.postings import Postings, account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store

#: How many alerts are claimed at a time, and limits looked over in one step of the store.
BATCH = 100
#: An alert that was claimed and not told by then has lost its worker.
AGAIN_US = 30_000_000
#: How often some worker looks over every limit with thresholds.
WATCH_US = 10_000_000


class Alert(NamedTuple):
    """A threshold that was reached: once for each window, and again only where the amount of the limit changed.

    `share` is as the policy writes it; `amount` (of the limit), `used` and `held` are in the limit's own unit, as
    they were at `at_us`; the window ends at `stop_us`. `id` is the same however often it is told.
    """

    id: str
    account: str
    scope: str
    limit: str
    kind: LimitKind
    window: str
    share: str
    amount: int
    used: int
    held: int
    at_us: int
    stop_us: int


class Claimed(NamedTuple):
    """What a worker is to do at this time of the store: tell these, and perhaps look over the limits."""

    now_us: int
    alerts: tuple[Alert, ...]
    watch: bool


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    """An alert as the scripts pack it; `name` is the limit's id and the share."""

    counter: str
    kind: LimitKind
    name: str
    amount: int
    used: int
    held: int
    at_us: int
    stop_us: int


class Alerts:
    """The alerts of one account. Every method may raise LedgerUnavailable, and every one may be repeated."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._scripts = scripts
        self._account = account
        self._prefix = account_prefix(account)

    async def claim(self, told: Sequence[str] = ()) -> Claimed:
        """Forget the alerts that were told (by their ids), and take what else is to be done."""
        request = {"told": list(told), "most": BATCH, "again_us": AGAIN_US, "watch_us": WATCH_US}
        _, now_us, turn, *found = await self._store.run(self._scripts["alerts"], self._prefix, request)
        alerts = [self._read(id_, packed) for id_, packed in found]
        alerts.sort(key=lambda alert: (alert.at_us, alert.scope, alert.limit, float(alert.share)))
        return Claimed(int(now_us), tuple(alerts), bool(turn))

    async def watch(self, limits: Sequence[Limit], now_us: int) -> None:
        """Raise the alerts of limits that passed a threshold without a create; `now_us` is the store's time."""
        watched = [limit for limit in limits if limit.alert_at]
        for first in range(0, len(watched), BATCH):
            snapshot = Postings(self._prefix, (), watched[first : first + BATCH]).at(now_us)
            request = {"counters": snapshot.counters, "checks": snapshot.checks}
            await self._store.run(self._scripts["watch"], self._prefix, request)

    def _read(self, id_: bytes, packed: bytes) -> Alert:
        kept = msgspec.msgpack.decode(packed, type=_Kept)
        limit, _, share = kept.name.rpartition("|")
        counter = parse_place(kept.counter).counter
        return Alert(
            id=id_.decode(),
            account=self._account,
            scope=counter.scope,
            limit=limit,
            kind=kept.kind,
            window=str(counter.window),
            share=share,
            amount=kept.amount,
            used=kept.used,
            held=kept.held,
            at_us=kept.at_us,
            stop_us=kept.stop_us,
        )
