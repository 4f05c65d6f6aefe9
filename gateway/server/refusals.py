"""Refusals as one table: which HTTP status each code has, and the body that carries it."""

from types import MappingProxyType

import msgspec

from gateway.admission.refusals import ledger_unavailable, policy_behind
from gateway.domain.errors import Code, Refused
from gateway.ledger.enactment import PolicyBehind
from gateway.ledger.store import LedgerUnavailable

STATUS = MappingProxyType(
    {
        Code.INVALID_KEY: 401,
        Code.BODY_TOO_LARGE: 413,
        Code.INVALID_JSON: 400,
        Code.MODEL_NOT_ALLOWED: 403,
        Code.MODEL_UNPRICED: 403,
        Code.INVALID_INPUT: 400,
        Code.PARAMETER_NOT_ALLOWED: 403,
        Code.IDEMPOTENCY_IN_PROGRESS: 409,
        Code.IDEMPOTENCY_MISMATCH: 422,
        Code.IDEMPOTENCY_NOT_KEPT: 409,
        Code.LEDGER_UNAVAILABLE: 503,
        Code.POLICY_BEHIND: 503,
        Code.BUDGET_EXCEEDED: 402,
        Code.COUNT_EXCEEDED: 429,
        Code.RATE_EXCEEDED: 429,
        Code.CONCURRENCY_EXCEEDED: 429,
        Code.UPSTREAM_BUSY: 429,
        Code.UPSTREAM_UNREACHABLE: 502,
        Code.UPSTREAM_UNAVAILABLE: 503,
        Code.UPSTREAM_IN_DOUBT: 504,
        Code.UPSTREAM_ERROR: 502,
        Code.NOT_FOUND: 404,
        Code.ROUTE_NOT_ALLOWED: 403,
        Code.INTERNAL: 500,
    }
)


def body_of(refused: Refused) -> bytes:
    """Write a refusal in both shapes that clients of upstream know, with the stable `code`."""
    return msgspec.json.encode(
        {
            "status": "error",
            "code": refused.code.value,
            "error": refused.message,
            "message": refused.message,
            "details": refused.details,
            **refused.extra,
        }
    )


def not_found() -> Refused:
    """Answer the same for an unknown prediction and for another tenant's."""
    return Refused(Code.NOT_FOUND, "no such prediction; check the id and the key it was created with")


def as_refusal(error: Exception) -> Refused:
    """Say what an exception is for the client: the log has what the client need not know."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, LedgerUnavailable):
        return ledger_unavailable(error.cause)
    if isinstance(error, PolicyBehind):
        return policy_behind()
    return Refused(Code.INTERNAL, "the gateway failed at this request; its log says why, by the X-Request-Id")
