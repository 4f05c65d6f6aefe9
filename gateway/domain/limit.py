"""Limits and guards: what a policy bounds, in the terms in which the ledger counts it."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.domain.window import Window


class LimitKind(StrEnum):
    """What a limit counts; the order is the order in which a refusal is named."""

    BUDGET = "budget"
    COUNT = "count"
    RATE = "rate"
    CONCURRENCY = "concurrency"


class Mode(StrEnum):
    """Whether a limit refuses, or counts and reports only."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Threshold(NamedTuple):
    """A share of a limit, as the policy writes it ("0.8"), and the use that reaches it, in the limit's unit."""

    share: str
    amount: int


@dataclass(frozen=True, slots=True)
class Grant:
    """A raise of a limit by `amount` of its unit, in force from `from_us` until just before `until_us`."""

    amount: int
    from_us: int
    until_us: int
    reason: str

    def in_force(self, at_us: int) -> bool:
        """Tell whether it raises its limit at a time of the store (microseconds since the epoch)."""
        return self.from_us <= at_us < self.until_us


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound on one scope.

    `amount` is units of 1e-8 USD for a budget, predictions for a count, slots for concurrency and the burst for a
    rate. `interval_us` is the microseconds that one create of a rate takes to drain (0 for the other kinds).
    `window` and `zone` belong to budgets and counts; a rate has the window `minute`, or none if it is per second.
    `grants` raise it for a while: see `at`.
    `scope` is `account/<id>`, `tenant/<id>` or `tenant/<id>/key/<id>`. `mode` is what applies; `own_mode` what the
    limit itself says, where its whole owner is a shadow (None: the same).
    """

    scope: str
    id: str
    kind: LimitKind
    mode: Mode
    amount: int
    window: Window | None = None
    zone: ZoneInfo | None = None
    interval_us: int = 0
    alert_at: tuple[float, ...] = ()
    grants: tuple[Grant, ...] = ()
    own_mode: Mode | None = None

    def at(self, at_us: int) -> "Limit":
        """Give the limit as it is in force at a time of the store: raised by its grants, and with none but those."""
        if not self.grants:
            return self
        grants = tuple(grant for grant in self.grants if grant.in_force(at_us))
        return replace(self, amount=self.amount + sum(grant.amount for grant in grants), grants=grants)

    @property
    def most(self) -> int:
        """The most that it may ever be raised to by its grants."""
        return self.amount + sum(grant.amount for grant in self.grants)

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """Where the limit raises an alert, lowest first; rounded up, so that none is raised before its share."""
        shares = (str(share) for share in self.alert_at)  # a share is the decimal that was written, not its double
        return tuple(Threshold(share, max(math.ceil(self.amount * Fraction(share)), 1)) for share in shares)


@dataclass(frozen=True, slots=True)
class Guard:
    """A bound on one input parameter, or on a derived quantity such as `megapixels`; `scope` is its tenant's."""

    scope: str
    parameter: str
    min: float | None = None
    max: float | None = None
    one_of: tuple[str | int | float | bool, ...] | None = None
    forbidden: bool = False
    mode: Mode = Mode.ENFORCE


def account_scope(account: str) -> str:
    """Name the scope of an upstream account."""
    return f"account/{account}"


def tenant_scope(tenant: str) -> str:
    """Name the scope of a tenant."""
    return f"tenant/{tenant}"


def key_scope(tenant: str, key: str) -> str:
    """Name the scope of one key of a tenant."""
    return f"tenant/{tenant}/key/{key}"
