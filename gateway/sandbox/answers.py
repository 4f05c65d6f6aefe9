"""Answers as JSON, and refusals in the shapes that upstream's bodies have."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

import msgspec
from starlette.requests import Request
from starlette.responses import Response

_encoder = msgspec.json.Encoder(decimal_format="number")


class JSONAnswer(Response):
    """A JSON body in which a Decimal is a number with exactly its digits."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Encode the content."""
        return _encoder.encode(content)


class Shape(Enum):
    """The bodies of errors; each endpoint sticks to one for each of its refusals."""

    PAGE = "page"
    """{"status": "error", "message", "details"}."""
    PLAIN = "plain"
    """{"error"}."""
    NUMBERED = "numbered"
    """{"status": 402, "error", "details"}."""


class Refused(Exception):
    """A request that the API answers with an error."""

    def __init__(
        self, status: int, message: str, details: str = "", *, shape: Shape, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.shape = shape
        self.retry_after = retry_after

    def body(self) -> dict[str, object]:
        """The JSON body in its shape."""
        if self.shape is Shape.PLAIN:
            return {"error": self.message}
        if self.shape is Shape.NUMBERED:
            return {"status": self.status, "error": self.message, "details": self.details}
        return {"status": "error", "message": self.message, "details": self.details}

    def answer(self) -> JSONAnswer:
        """The whole answer."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return JSONAnswer(self.body(), self.status, headers)


def answer_refused(_request: Request, refusal: Exception) -> Response:
    """Answer a refusal, as the application's exception handler."""
    if not isinstance(refusal, Refused):
        raise refusal
    return refusal.answer()


def as_number(amount: Decimal) -> Decimal:
    """The same amount without trailing zeros or exponent: 0.20 is 0.2, and 1E+1 is 10."""
    return Decimal(as_text(amount))


def as_text(amount: Decimal) -> str:
    """A plain decimal string: no trailing zeros, no exponent."""
    return format(amount.normalize(), "f")


def as_timestamp(moment: float) -> str:
    """RFC 3339 in UTC with microseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_page(request: Request, *, limit: int, most: int) -> tuple[int, int]:
    """The `limit` and `offset` of a listing. Refuses what is not a number in bounds with 400."""
    return _bounded(request, "limit", limit, 1, most), _bounded(request, "offset", 0, 0, 2**31)


def _bounded(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    # isdigit alone also takes "²", which int() does not read.
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise Refused(400, f"{name} must be a whole number from {least} to {most}", shape=Shape.PLAIN)
    return int(text)
