"""Limits in words, as reports name them."""

from gateway.domain.instants import instant
from gateway.domain.limit import Grant, Limit, LimitKind, Mode
from gateway.domain.money import format_usd
from gateway.domain.window import MICROSECONDS, Rolling, in_words


def limit_name(limit: Limit) -> str:
    """Name a limit with its owner: `acme/daily`, `acme/key/web/total`, `account/eachlabs/budget-month`."""
    return f"{limit.scope.removeprefix('tenant/')}/{limit.id}"


def amount_words(limit: Limit, amount: int) -> str:
    """Write an amount in the unit of a limit."""
    if limit.kind is LimitKind.BUDGET:
        return f"{format_usd(amount)} USD"
    return f"{amount} {'running' if limit.kind is LimitKind.CONCURRENCY else 'creates'}"


def limit_words(limit: Limit) -> str:
    """Say what a limit allows."""
    shadow = ", shadow" if limit.mode is Mode.SHADOW else ""
    if limit.kind is LimitKind.RATE:
        return f"a create each {limit.interval_us / MICROSECONDS:g} s, {limit.amount} at once{shadow}"
    if limit.kind is LimitKind.CONCURRENCY:
        return f"{limit.amount} running at once{shadow}"
    span = in_words(limit.window) if limit.window else ""
    zone = f" of {limit.zone.key}" if limit.zone and not isinstance(limit.window, Rolling) else ""
    return f"{amount_words(limit, limit.amount)} {span}{zone}{shadow}"


def grant_words(limit: Limit, grant: Grant) -> str:
    """Say how a grant raises its limit."""
    raised = amount_words(limit, grant.amount)
    return f"grant of {raised} from {instant(grant.from_us)} until {instant(grant.until_us)} ({grant.reason})"
