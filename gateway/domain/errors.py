"""Refusals: every answer by which the gateway says no, as one closed set of codes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """The stable `code` of a refusal; what HTTP status each has is the server's table."""

    INVALID_KEY = "invalid_key"
    BODY_TOO_LARGE = "body_too_large"
    INVALID_JSON = "invalid_json"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    MODEL_UNPRICED = "model_unpriced"
    INVALID_INPUT = "invalid_input"
    PARAMETER_NOT_ALLOWED = "parameter_not_allowed"
    IDEMPOTENCY_IN_PROGRESS = "idempotency_in_progress"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    IDEMPOTENCY_NOT_KEPT = "idempotency_not_kept"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    POLICY_BEHIND = "policy_behind"
    BUDGET_EXCEEDED = "budget_exceeded"
    COUNT_EXCEEDED = "count_exceeded"
    RATE_EXCEEDED = "rate_exceeded"
    CONCURRENCY_EXCEEDED = "concurrency_exceeded"
    UPSTREAM_BUSY = "upstream_busy"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_IN_DOUBT = "upstream_in_doubt"
    UPSTREAM_ERROR = "upstream_error"
    NOT_FOUND = "not_found"
    ROUTE_NOT_ALLOWED = "route_not_allowed"
    INTERNAL = "internal_error"


class Refused(Exception):
    """A request that the gateway answers with no.

    `message` is for a person and says what is wrong and what to do; `details` and `extra` are for the answer's
    body (JSON values), `headers` for its head.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        details: str = "",
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})
