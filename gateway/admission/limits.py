"""Limits as a tenant is told of them: the amounts it may see, what is left, and the RateLimit header fields."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.domain.instants import instant
from gateway.domain.limit import Limit, LimitKind, Mode
from gateway.domain.money import format_usd
from gateway.domain.window import MICROSECONDS, Rolling, WindowName
from gateway.ledger.decisions import Use

#: An integer of a structured field has at most 15 digits.
_MOST = 10**15 - 1
_UNITS = {LimitKind.CONCURRENCY: ';qu="concurrent-requests"'}


def visible(limit: Limit) -> bool:
    """Tell whether a tenant may see the amounts: those of its own scopes and its parents', never the account's."""
    return not limit.scope.startswith("account/")


def usage_json(use: Use, at_us: int) -> dict[str, Any]:
    """Give one line of `/gateway/usage`."""
    limit = use.limit
    return {
        "id": limit.id,
        "scope": limit.scope,
        "kind": limit.kind.value,
        "window": window_name(limit),
        "mode": limit.mode.value,
        "limit": _amount(limit, limit.amount),
        "used": _amount(limit, use.used),
        "held": _amount(limit, use.held),
        "remaining": _amount(limit, remaining(use)),
        "resets_at": resets_at(use, at_us),
    } | _grants_json(limit)


def refusal_json(use: Use, requested: int, at_us: int) -> dict[str, Any]:
    """Give one violated limit of a refusal; amounts that the tenant may not see are null."""
    limit, shown = use.limit, visible(use.limit)
    return {
        "id": limit.id,
        "scope": limit.scope,
        "kind": limit.kind.value,
        "window": window_name(limit),
        "limit": _amount(limit, limit.amount) if shown else None,
        "used": _amount(limit, use.used) if shown else None,
        "held": _amount(limit, use.held) if shown else None,
        "requested": _amount(limit, requested if limit.kind is LimitKind.BUDGET else 1),
        "resets_at": resets_at(use, at_us),
    }


def remaining(use: Use) -> int:
    """Give what is left of a limit, in its own unit; never below zero, whatever an overrun did."""
    return max(use.limit.amount - use.used - use.held, 0)


def smallest_budget(uses: Sequence[Use]) -> int | None:
    """Give the least money left among the enforced budgets that the tenant may see; None where it has none."""
    left = [
        remaining(use)
        for use in uses
        if use.limit.kind is LimitKind.BUDGET and use.limit.mode is Mode.ENFORCE and visible(use.limit)
    ]
    return min(left, default=None)


def rate_limit_fields(uses: Sequence[Use]) -> dict[str, str]:
    """Give `RateLimit-Policy` and `RateLimit` (IETF draft-ietf-httpapi-ratelimit-headers, structured fields).

    One item for each enforced limit on the number of creates that the tenant may see; money has headers of its own.
    """
    policies, states = [], []
    for use in uses:
        limit = use.limit
        if limit.kind is not LimitKind.BUDGET and limit.mode is Mode.ENFORCE and visible(limit):
            name = f'"{limit.scope}/{limit.id}"'
            policies.append(f"{name};q={min(limit.amount, _MOST)}{_UNITS.get(limit.kind, '')}{_window(limit)}")
            states.append(f"{name};r={min(remaining(use), _MOST)}{_reset(use)}")
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)} if policies else {}


def resets_at(use: Use, at_us: int) -> str | None:
    """Give the time (RFC 3339, UTC) at which a window ends or a rate admits again; None where none is known."""
    if use.limit.kind is LimitKind.CONCURRENCY or use.limit.window is WindowName.TOTAL or not use.wait_us:
        return None
    moment = datetime.fromtimestamp(-(-(at_us + use.wait_us) // MICROSECONDS), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def wait_seconds(use: Use) -> int | None:
    """Give how long to wait until the limit may admit again, in whole seconds; None where waiting tells nothing."""
    if use.limit.kind is LimitKind.CONCURRENCY:
        return 1
    if use.limit.window is WindowName.TOTAL or (isinstance(use.limit.window, Rolling) and not use.wait_us):
        return None
    return max(-(-use.wait_us // MICROSECONDS), 1)


def window_name(limit: Limit) -> str | None:
    """Name the window of a limit, or the unit of a rate; None for concurrency."""
    if limit.kind is LimitKind.CONCURRENCY:
        return None
    return str(limit.window) if limit.window else "second"


def _grants_json(limit: Limit) -> dict[str, Any]:
    """Tell by which grants a limit is raised; nothing where it is not."""
    field = "usd" if limit.kind is LimitKind.BUDGET else "max"
    told = [
        {
            field: _amount(limit, grant.amount),
            "from": instant(grant.from_us),
            "until": instant(grant.until_us),
            "reason": grant.reason,
        }
        for grant in limit.grants
    ]
    return {"grants": told} if told else {}


def _amount(limit: Limit, amount: int) -> int | str:
    return format_usd(amount) if limit.kind is LimitKind.BUDGET else amount


def _window(limit: Limit) -> str:
    """Say the time (s) over which the quota counts; a rate's burst drains in interval × burst."""
    if limit.kind is LimitKind.RATE:
        return f";w={max(-(-limit.interval_us * limit.amount // MICROSECONDS), 1)}"
    return f";w={limit.window.minutes * 60}" if isinstance(limit.window, Rolling) else ""


def _reset(use: Use) -> str:
    seconds = wait_seconds(use) if use.limit.kind is not LimitKind.CONCURRENCY else None
    if use.limit.kind is LimitKind.RATE and not use.wait_us:
        return ""
    return "" if seconds is None else f";t={seconds}"
