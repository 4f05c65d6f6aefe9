"""Refusals: what a decision of the ledger that is no admission means for the one who asked."""

from collections.abc import Iterable, Sequence
from typing import assert_never

from gateway.admission.limits import (
    rate_limit_fields,
    refusal_json,
    visible,
    wait_seconds,
)
from gateway.admission.shadow import ShadowRefusal
from gateway.domain.errors import Code, Refused
from gateway.domain.limit import LimitKind, Mode
from gateway.domain.money import format_usd
from gateway.domain.window import MICROSECONDS, in_words
from gateway.ledger.decisions import Busy, Closed, Doubted, Mismatch, OverLimit, Pending, Use

CODES = {
    LimitKind.BUDGET: Code.BUDGET_EXCEEDED,
    LimitKind.COUNT: Code.COUNT_EXCEEDED,
    LimitKind.RATE: Code.RATE_EXCEEDED,
    LimitKind.CONCURRENCY: Code.CONCURRENCY_EXCEEDED,
}
_ORDER = list(CODES)


def refusal(
    decision: OverLimit | Busy | Closed | Mismatch | Pending | Doubted,
    hold: int,
    shadows: Sequence[ShadowRefusal] = (),
) -> Refused:
    """Put a decision into words; `hold` is what the create asked for, in units of 1e-8 USD.

    `shadows` are those that would have refused it as well, beside the limits.
    """
    match decision:
        case OverLimit():
            return _over_limit(decision, hold, shadows)
        case Closed():
            return ledger_unavailable("the account is closed until what a failover may have lost is found", seconds=5)
        case Busy():
            return busy(max(-(-decision.wait_us // MICROSECONDS), 1), rate_limit_fields(decision.uses))
        case Mismatch():
            return Refused(
                Code.IDEMPOTENCY_MISMATCH,
                "this Idempotency-Key was used with another path or body; use a new key for a new request",
            )
        case Pending():
            return Refused(
                Code.IDEMPOTENCY_IN_PROGRESS,
                "the first request with this Idempotency-Key is still being sent; repeat it in a moment",
                headers={"Retry-After": "1", "X-Gateway-Reservation": decision.reservation},
            )
        case Doubted():
            return in_doubt(decision.reservation)
    assert_never(decision)


def busy(seconds: int, headers: dict[str, str] | None = None) -> Refused:
    """Say that upstream takes no more just now, and when to come again."""
    return Refused(
        Code.UPSTREAM_BUSY,
        f"no upstream slot is free just now; nothing was sent or held; try again in {seconds} s",
        headers={"Retry-After": str(seconds), **(headers or {})},
    )


def in_doubt(reservation: str) -> Refused:
    """Say that the outcome of a create is unknown, and how to learn it."""
    return Refused(
        Code.UPSTREAM_IN_DOUBT,
        "the create was sent, but its outcome is unknown; its money stays held until that is found out. "
        f"Ask /gateway/reservations/{reservation}; sending it again would be a second prediction",
        extra={"reservation": reservation},
        headers={"X-Gateway-Reservation": reservation},
    )


def ledger_unavailable(cause: str, seconds: int = 1) -> Refused:
    """Say that the ledger cannot record it, so that nothing which could cost money is sent."""
    return Refused(
        Code.LEDGER_UNAVAILABLE,
        "the ledger cannot record this just now, so nothing that could cost money is sent; try again in a moment",
        details=cause,
        headers={"Retry-After": str(seconds)},
    )


def policy_behind() -> Refused:
    """Say that this host does not know the policy in force, so that another host, or a later time, must decide."""
    return Refused(
        Code.POLICY_BEHIND,
        "this gateway is about to learn of a new policy, and admits nothing by the old one; try again in a moment",
        headers={"Retry-After": "1"},
    )


def shadow_limits(uses: Iterable[Use]) -> tuple[ShadowRefusal, ...]:
    """Give the shadow limits that a create would have passed."""
    violated = (use.limit for use in uses if use.violated and use.limit.mode is Mode.SHADOW)
    return tuple(ShadowRefusal(limit.id, CODES[limit.kind]) for limit in violated)


def shadow_header(shadows: Iterable[ShadowRefusal]) -> dict[str, str]:
    """Tell a client what would have refused its create."""
    ids = ", ".join(shadow.id for shadow in shadows)
    return {"X-Gateway-Shadow-Refused": ids} if ids else {}


def _over_limit(decision: OverLimit, hold: int, shadows: Sequence[ShadowRefusal]) -> Refused:
    violated = [use for use in decision.uses if use.violated and use.limit.mode is Mode.ENFORCE]
    if not violated:  # a sum would pass what the ledger can count exactly
        return Refused(Code.BUDGET_EXCEEDED, "the sum of this window would pass 90 million USD; nothing was sent")
    violated.sort(key=lambda use: _ORDER.index(use.limit.kind))
    first = violated[0]
    waits = [wait_seconds(use) for use in violated]
    headers = rate_limit_fields(decision.uses) | shadow_header((*shadows, *shadow_limits(decision.uses)))
    code = CODES[first.limit.kind]
    if code is not Code.BUDGET_EXCEEDED and None not in waits:
        headers["Retry-After"] = str(max(wait for wait in waits if wait is not None))
    return Refused(
        code,
        _words(first, hold),
        extra={"limits": [refusal_json(use, hold, decision.at_us) for use in violated]},
        headers=headers,
    )


def _words(use: Use, hold: int) -> str:
    """Say which limit, how far it is used, and what was asked."""
    limit = use.limit
    where = f"limit {limit.id!r} of {limit.scope}"
    if not visible(limit):
        return f"{where} would be passed; ask whoever runs this gateway"
    span = in_words(limit.window) if limit.window else ""
    if limit.kind is LimitKind.BUDGET:
        return (
            f"{where} would be passed: {format_usd(limit.amount)} USD {span}, "
            f"{format_usd(use.used)} used, {format_usd(use.held)} held, {format_usd(hold)} asked for"
        )
    if limit.kind is LimitKind.COUNT:
        return f"{where} would be passed: {limit.amount} predictions {span}, {use.used} used"
    if limit.kind is LimitKind.RATE:
        return f"{where} would be passed: come again in {wait_seconds(use)} s"
    return f"{where} would be passed: {limit.amount} predictions at once, {use.used} running"
