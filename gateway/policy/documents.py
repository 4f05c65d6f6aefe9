"""The grammar of the policy files: what an operator may write, field by field, before it has any meaning.

Amounts are texts here and times are what TOML gave. What a number alone can say wrong (a negative rate) is said by
the types; what takes a sentence is checked where the document is compiled. Descriptions are what an editor shows.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from gateway.domain.limit import Mode
from gateway.domain.window import WindowName


def _text(description: str, pattern: str) -> Meta:
    """Describe a text whose form an editor checks by a pattern, and the gateway in words of its own."""
    return Meta(description=description, extra_json_schema={"pattern": pattern})


_ID = r"^[a-z0-9][a-z0-9._-]{0,62}$"
Id = Annotated[str, _text("name in metrics, logs and refusals: a-z, 0-9, '.', '_', '-'", _ID)]
Usd = Annotated[str, _text('US dollars as text, such as "5.00"', r"^[0-9]{1,9}(\.[0-9]{1,8})?$")]
Sha256 = Annotated[
    str, _text("SHA-256 of the key's secret in hex; `gateway keys new` prints one", r"^[0-9a-fA-F]{64}$")
]


def _moment(description: str) -> Meta:
    """Describe a date or time: TOML has types for them, which JSON Schema and a message of our own see as texts."""
    told = f"{description}, such as 2027-02-01T00:00:00Z"
    return Meta(description=told, extra_json_schema={"type": "string"})


#: Counters are doubles in the store: no number of a policy may pass what is exact there.
Amount = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Positive = Annotated[int, Meta(ge=1, le=2**53 - 1)]
#: Long enough for every wait, short enough that a slip (milliseconds for seconds) is told.
Seconds = Annotated[float, Meta(ge=0, le=3600)]
Hours = Annotated[float, Meta(gt=0, le=24 * 7)]  # the counters of minutes and hours live a day longer
Fraction = Annotated[float, Meta(gt=0, le=1)]
Length = Annotated[str, _text('minutes, hours or days, such as "90m", "24h" or "7d"', r"^[1-9][0-9]{0,5}[mhd]$")]
DayOfMonth = Annotated[int, Meta(ge=1, le=31)]
Number = int | float
Globs = Annotated[
    tuple[str, ...], Meta(description='models it may use, as globs such as "flux-*"; default every one')
]


Shadow = Annotated[Mode, Meta(description="shadow: all that stands here is counted and reported, never refused")]


class Document(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a policy file; a field that it does not name is an error, since a typo would be a limit lost."""


class LimitDocument(Document, frozen=True, tag_field="kind"):
    """What all four kinds of limit have."""

    id: Id | None = None
    mode: Annotated[Mode, Meta(description="shadow: counted and reported, never refused")] = Mode.ENFORCE


class WindowedDocument(LimitDocument, frozen=True):
    """A limit that counts within windows, and can therefore warn on the way up."""

    window: Annotated[WindowName | None, Meta(description="calendar window, in the tenant's time zone")] = None
    month_starts: Annotated[
        DayOfMonth | None, Meta(description="day on which a month begins; its last one, where it is shorter")
    ] = None
    rolling: Annotated[Length | None, Meta(description="instead of window: any span of that length")] = None
    alert_at: Annotated[tuple[Fraction, ...], Meta(description="shares of the limit, such as [0.5, 0.8, 1.0]")] = ()


class BudgetDocument(WindowedDocument, frozen=True, kw_only=True, tag="budget"):
    """Money per window."""

    usd: Usd


class CountDocument(WindowedDocument, frozen=True, kw_only=True, tag="count"):
    """Predictions per window."""

    max: Amount


class RateDocument(LimitDocument, frozen=True, tag="rate"):
    """Creates per minute or second, spread evenly except for the burst."""

    per_minute: Positive | None = None
    per_second: Positive | None = None
    burst: Annotated[Positive, Meta(description="creates at once after a pause")] = 1


class ConcurrencyDocument(LimitDocument, frozen=True, kw_only=True, tag="concurrency"):
    """Predictions in flight."""

    max: Amount


AnyLimitDocument = BudgetDocument | CountDocument | RateDocument | ConcurrencyDocument


class GrantDocument(Document, frozen=True, kw_only=True):
    """A raise of one limit beside it, for a while."""

    limit: Annotated[str | None, Meta(description="id of the limit; may be left out where only one fits")] = None
    usd: Annotated[Usd | None, Meta(description="by how many US dollars a budget is raised")] = None
    max: Annotated[Positive | None, Meta(description="by how much a count or concurrency is raised")] = None
    start: Annotated[object, _moment("when it begins")] = field(name="from")
    until: Annotated[object, _moment("when it is over")]
    reason: Annotated[str, Meta(description="why; the tenant sees it, and the journal keeps it")]


class AlertDocument(Document, frozen=True, kw_only=True):
    """Where alerts of limits are sent, as webhooks that the gateway signs."""

    url: Annotated[str | None, Meta(description="address that takes them, http or https, private ones too")] = None
    url_env: Annotated[str | None, Meta(description="environment variable that holds the address")] = None


class GuardDocument(Document, frozen=True, kw_only=True):
    """A bound on one input parameter, or on a derived quantity."""

    parameter: Annotated[str, Meta(description='name of the parameter, or a derived quantity such as "megapixels"')]
    min: Number | None = None
    max: Number | None = None
    one_of: tuple[str | int | float | bool, ...] | None = None
    forbidden: bool = False


class UpstreamKeyDocument(Document, frozen=True, kw_only=True):
    """A key of an upstream account; the default bounds are those that upstream documents."""

    id: Id
    secret_env: Annotated[str | None, Meta(description="environment variable that holds the secret")] = None
    secret_file: Annotated[str | None, Meta(description="file that holds the secret")] = None
    creates_per_minute: Positive = 100
    concurrent: Positive = 10


class AccountDocument(Document, frozen=True, kw_only=True):
    """An upstream account."""

    id: Id
    base_url: str = "https://api.eachlabs.ai"
    auth_header: Literal["X-API-Key", "Authorization"] = "X-API-Key"
    unpriced: Annotated[str, Meta(description='"deny", or a hold in US dollars, of a model without a price')] = "deny"
    queue_seconds: Annotated[Seconds, Meta(description="how long a create may wait for a slot")] = 0
    in_doubt_hours: Annotated[Hours, Meta(description="how long a create of unknown outcome is looked for")] = 24
    create_timeout_seconds: Annotated[float, Meta(gt=0, le=3600, description="wait for upstream's answer")] = 30
    mode: Shadow = Mode.ENFORCE
    key: tuple[UpstreamKeyDocument, ...] = ()
    limit: tuple[AnyLimitDocument, ...] = ()
    grant: tuple[GrantDocument, ...] = ()
    alert: tuple[AlertDocument, ...] = ()


class TenantKeyDocument(Document, frozen=True, kw_only=True):
    """A key of a tenant; `expires` is whatever TOML gave, so that a wrong kind of date gets its own sentence."""

    id: Id
    sha256: Sha256
    expires: Annotated[object, _moment("when the key stops to open anything")] = None
    revoked: Annotated[bool, Meta(description="true closes the key at once")] = False
    limit: tuple[AnyLimitDocument, ...] = ()
    grant: tuple[GrantDocument, ...] = ()


class TenantDocument(Document, frozen=True, kw_only=True):
    """A tenant, whose limits, lists and guards also bind every tenant below it."""

    id: Id
    account: Annotated[str | None, Meta(description="upstream account; default the parent's, or the only one")] = None
    parent: Annotated[str | None, Meta(description="tenant whose limits, lists and guards apply too")] = None
    timezone: Annotated[str, Meta(description='where its days and months begin, such as "Europe/Berlin"')] = "UTC"
    models: Globs | None = None
    weight: Annotated[Positive, Meta(description="share of scarce upstream slots")] = 1
    mode: Shadow = Mode.ENFORCE
    limit: tuple[AnyLimitDocument, ...] = ()
    grant: tuple[GrantDocument, ...] = ()
    alert: tuple[AlertDocument, ...] = ()
    guard: tuple[GuardDocument, ...] = ()
    key: tuple[TenantKeyDocument, ...] = ()
