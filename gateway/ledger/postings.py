"""Postings: the counters, clocks and slots that a create of one key touches, as the reserve script takes them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.domain.limit import Limit, LimitKind, Mode
from gateway.domain.window import FOREVER_US, MICROSECONDS, Rolling, Window, WindowName, bounds, parse_window

#: A counter outlives its window, and every reservation that names it (a doubt lasts 7 days at the most).
AFTERLIFE_S = 35 * 86400
BRIEF_AFTERLIFE_S = 8 * 86400  # minutes and hours: there are many of them

_UTC = ZoneInfo("UTC")
ROLLED_AFTERLIFE_S = 86400  # nothing is posted to what has left a window that rolls


class Counter(NamedTuple):
    """What is counted together: one scope, one window, one zone; never a limit's name or position."""

    scope: str
    window: Window
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"{self.scope}|{self.window}|{self.zone.key}"

    def key(self, prefix: str, start_us: int) -> str:
        """Name the store's key of this counter in the window that starts then; one that rolls has a single key."""
        return f"{prefix}:c:{self}|{0 if isinstance(self.window, Rolling) else start_us // MICROSECONDS}"

    @property
    def bucket_us(self) -> int:
        """How long a bucket is of a window that rolls; 0 for one of the calendar."""
        return self.window.bucket_us if isinstance(self.window, Rolling) else 0


class Counted(NamedTuple):
    """What a counter shows: money in units of 1e-8 USD, and predictions."""

    charged: int
    held: int
    predictions: int


class Check(NamedTuple):
    """A limit as the scripts take it.

    `place` is where it is counted: the index of its counter from 1, the key of its clock, or its scope. `alerts` are
    the amounts of use at which an alert is raised, each with the name under which it is. `granted` is the part of
    the amount that is there by `grants`, which is what the journal says of a create that needed it.
    """

    kind: LimitKind
    enforced: bool
    amount: int
    place: int | str
    interval_us: int
    alerts: list[tuple[int, str]]
    granted: int
    grants: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The script's arguments, right while the store's time is inside [`start_us`, `stop_us`).

    `limits` are as they are in force in that time, one for each check.
    """

    start_us: int
    stop_us: int
    limits: tuple[Limit, ...]
    counters: list[dict[str, str | int]]
    checks: list[Check]


class Postings:
    """What one key's creates post to, derived once from its limits and scopes."""

    def __init__(self, prefix: str, scopes: Sequence[str], limits: Sequence[Limit]) -> None:
        self.prefix = prefix
        self.scopes = list(scopes)
        self.limits = tuple(limits)
        self.counters = tuple(dict.fromkeys(counter for limit in limits if (counter := counter_of(limit))))
        self.text = "\n".join((" ".join(scopes), *map(str, self.counters)))
        self.id = hashlib.sha256(self.text.encode()).hexdigest()[:12]
        self._snapshot = Snapshot(0, 0, (), [], [])

    def at(self, now_us: int) -> Snapshot:
        """Give the arguments for a time of the store (microseconds); the same object until one of them changes."""
        if not self._snapshot.start_us <= now_us < self._snapshot.stop_us:
            self._snapshot = self._compute(now_us)
        return self._snapshot

    def _compute(self, now_us: int) -> Snapshot:
        counters = counters_at(self.prefix, self.counters, now_us)
        turns = [turn for each in self.limits for grant in each.grants for turn in (grant.from_us, grant.until_us)]
        starts = [int(c["start"]) for c in counters] + [turn for turn in turns if turn <= now_us]
        stops = [int(c["stop"]) for c in counters] + [turn for turn in turns if turn > now_us]
        limits = tuple(limit.at(now_us) for limit in self.limits)
        checks = [self._check(limit) for limit in limits]
        return Snapshot(max(starts, default=0), min(stops, default=FOREVER_US), limits, counters, checks)

    def _check(self, limit: Limit) -> Check:
        alerts = [(threshold.amount, f"{limit.id}|{threshold.share}") for threshold in limit.thresholds]
        granted = sum(grant.amount for grant in limit.grants)
        why = f"{limit.scope}/{limit.id}: {'; '.join(grant.reason for grant in limit.grants)}" if granted else ""
        enforced = limit.mode is Mode.ENFORCE
        return Check(limit.kind, enforced, limit.amount, self._place(limit), limit.interval_us, alerts, granted, why)

    def _place(self, limit: Limit) -> int | str:
        counter = counter_of(limit)
        if counter:
            return self.counters.index(counter) + 1
        if limit.kind is LimitKind.RATE:
            return clock_key(self.prefix, limit)
        return limit.scope


def counters_at(prefix: str, counters: Iterable[Counter], at_us: int) -> list[dict[str, str | int]]:
    """Give counters in their windows at a time of the store (microseconds), as the scripts take them."""
    windows = [(counter, bounds(counter.window, counter.zone, at_us)) for counter in counters]
    return [
        {
            "key": counter.key(prefix, window.start_us),
            "scope": counter.scope,
            "start": window.start_us,
            "stop": window.stop_us,
            "expire_s": _expiry(counter.window, window.stop_us),
            "width": counter.bucket_us,
        }
        for counter, window in windows
    ]


def parse_postings(text: str) -> tuple[list[str], list[Counter]]:
    """Read the text of a set of postings, as `Postings.text` writes it, into its scopes and counters."""
    scopes, *lines = text.split("\n")
    return scopes.split(), [parse_counter(line) for line in lines]


def parse_counter(text: str) -> Counter:
    """Read a counter, as `str(Counter)` writes it."""
    scope, window, zone = text.split("|")
    return Counter(scope, parse_window(window), ZoneInfo(zone))


def counter_of(limit: Limit) -> Counter | None:
    """Name the counter of a budget or a count; rates and concurrency have none."""
    if limit.kind in (LimitKind.RATE, LimitKind.CONCURRENCY) or limit.window is None or limit.zone is None:
        return None
    zone = _UTC if isinstance(limit.window, Rolling) else limit.zone  # what rolls knows no midnight
    return Counter(limit.scope, limit.window, zone)


def clock_key(prefix: str, limit: Limit) -> str:
    """Name the store's key of a rate's clock: by scope, unit and mode, so that a changed number keeps its use."""
    return f"{prefix}:g:{limit.scope}|{limit.window or 'second'}|{limit.own_mode or limit.mode}"


def _expiry(window: Window, stop_us: int) -> int:
    """Give the second at which a counter may go; 0 is never."""
    if window is WindowName.TOTAL:
        return 0
    if isinstance(window, Rolling):
        return stop_us // MICROSECONDS + window.minutes * 60 + ROLLED_AFTERLIFE_S
    brief = window in (WindowName.MINUTE, WindowName.HOUR)
    return stop_us // MICROSECONDS + (BRIEF_AFTERLIFE_S if brief else AFTERLIFE_S)


def account_prefix(account: str) -> str:
    """Name the hash tag that all keys of an account share, so that its scripts stay on one node of a Cluster."""
    return f"{{{account}}}"
