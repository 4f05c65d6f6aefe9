"""Limits and guards: what a policy bounds, in the terms in which the ledger counts it."""

from dataclasses import dataclass
from enum import StrEnum
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
