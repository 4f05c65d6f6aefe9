"""The grammar of the policy files: what an operator may write, field by field, before it has any meaning.

Amounts are texts here and times are what TOML gave. What a number alone can say wrong (a negative rate) is said by
the types; what takes a sentence is checked where the document is compiled.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.domain.limit import Mode
from gateway.domain.window import WindowName

#: Counters are doubles in the store: no number of a policy may pass what is exact there.
Amount = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Positive = Annotated[int, Meta(ge=1, le=2**53 - 1)]
#: Long enough for every wait, short enough that a slip (milliseconds for seconds) is told.
Seconds = Annotated[float, Meta(ge=0, le=3600)]
Hours = Annotated[float, Meta(gt=0, le=24 * 7)]  # the counters of minutes and hours live a day longer
Fraction = Annotated[float, Meta(gt=0, le=1)]
Number = int | float


class Document(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a policy file; a field that it does not name is an error, since a typo would be a limit lost."""


class LimitDocument(Document, frozen=True, tag_field="kind"):
    """What all four kinds of limit have."""

    id: str | None = None
    mode: Mode = Mode.ENFORCE


class WindowedDocument(LimitDocument, frozen=True):
    """A limit that counts within calendar windows, and can therefore warn on the way up."""

    window: WindowName | None = None
    rolling: str | None = None
    alert_at: tuple[Fraction, ...] = ()


class BudgetDocument(WindowedDocument, frozen=True, kw_only=True, tag="budget"):
    """Money per window; `usd` is a decimal text of US dollars."""

    usd: str


class CountDocument(WindowedDocument, frozen=True, kw_only=True, tag="count"):
    """Predictions per window."""

    max: Amount


class RateDocument(LimitDocument, frozen=True, tag="rate"):
    """Creates per minute or second, spread evenly except for the burst."""

    per_minute: Positive | None = None
    per_second: Positive | None = None
    burst: Positive = 1


class ConcurrencyDocument(LimitDocument, frozen=True, kw_only=True, tag="concurrency"):
    """Predictions in flight."""

    max: Amount


AnyLimitDocument = BudgetDocument | CountDocument | RateDocument | ConcurrencyDocument


class GuardDocument(Document, frozen=True, kw_only=True):
    """A bound on one input parameter, or on a derived quantity."""

    parameter: str
    min: Number | None = None
    max: Number | None = None
    one_of: tuple[str | int | float | bool, ...] | None = None
    forbidden: bool = False


class UpstreamKeyDocument(Document, frozen=True, kw_only=True):
    """A key of an upstream account; the default bounds are those that upstream documents."""

    id: str
    secret_env: str | None = None
    secret_file: str | None = None
    creates_per_minute: Positive = 100
    concurrent: Positive = 10


class AccountDocument(Document, frozen=True, kw_only=True):
    """An upstream account."""

    id: str
    base_url: str = "https://api.eachlabs.ai"
    auth_header: Literal["X-API-Key", "Authorization"] = "X-API-Key"
    unpriced: str = "deny"
    queue_seconds: Seconds = 0
    in_doubt_hours: Hours = 24
    create_timeout_seconds: Annotated[float, Meta(gt=0, le=3600)] = 30
    key: tuple[UpstreamKeyDocument, ...] = ()
    limit: tuple[AnyLimitDocument, ...] = ()


class TenantKeyDocument(Document, frozen=True, kw_only=True):
    """A key of a tenant; `expires` is whatever TOML gave, so that a wrong kind of date gets its own sentence."""

    id: str
    sha256: str
    expires: object = None
    revoked: bool = False
    limit: tuple[AnyLimitDocument, ...] = ()


class TenantDocument(Document, frozen=True, kw_only=True):
    """A tenant, whose limits, lists and guards also bind every tenant below it."""

    id: str
    account: str | None = None
    parent: str | None = None
    timezone: str = "UTC"
    models: tuple[str, ...] | None = None
    weight: Positive = 1
    limit: tuple[AnyLimitDocument, ...] = ()
    guard: tuple[GuardDocument, ...] = ()
    key: tuple[TenantKeyDocument, ...] = ()
