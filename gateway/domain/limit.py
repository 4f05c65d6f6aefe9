"""Limits and guards: what a policy bounds, in the terms in which the ledger counts it."""

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.domain.window import WindowName


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
class Limit:
    """One bound on one scope.

    `amount` is units of 1e-8 USD for a budget, predictions for a count, slots for concurrency and the burst for a
    rate. `interval_us` is the microseconds that one create of a rate takes to drain (0 for the other kinds).
    `window` and `zone` belong to budgets and counts; a rate has the window `minute`, or none if it is per second.
    `scope` is `account/<id>`, `tenant/<id>` or
    `tenant/<id>/key/<id>`.
    """

    scope: str
    id: str
    kind: LimitKind
    mode: Mode
    amount: int
    window: WindowName | None = None
    zone: ZoneInfo | None = None
    interval_us: int = 0
    alert_at: tuple[float, ...] = ()

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """Where the limit raises an alert, lowest first; rounded up, so that none is raised before its share."""
        shares = (str(share) for share in self.alert_at)  # a share is the decimal that was written, not its double
        return tuple(Threshold(share, max(math.ceil(self.amount * Fraction(share)), 1)) for share in shares)


@dataclass(frozen=True, slots=True)
class Guard:
    """A bound on one input parameter, or on a derived quantity such as `megapixels`."""

    scope: str
    parameter: str
    min: float | None = None
    max: float | None = None
    one_of: tuple[str | int | float | bool, ...] | None = None
    forbidden: bool = False


def account_scope(account: str) -> str:
    """Name the scope of an upstream account."""
    return f"account/{account}"


def tenant_scope(tenant: str) -> str:
    """Name the scope of a tenant."""
    return f"tenant/{tenant}"


def key_scope(tenant: str, key: str) -> str:
    """Name the scope of one key of a tenant."""
    return f"tenant/{tenant}/key/{key}"
