"""What is asked of a reserve, and what it can answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from gateway.domain.limit import Limit
from gateway.domain.webhook import Webhook


class Place(NamedTuple):
    """The place of a create in the queue for upstream slots.

    `weight` is its tenant's share of them; `number` says when it came, 0 if it has not queued yet. One that does not
    `stay` is refused unless it is its turn.
    """

    weight: int
    number: int = 0
    stay: bool = True


class Order(msgspec.Struct, frozen=True, gc=False):
    """A create that wants to be admitted; money in units of 1e-8 USD, durations in seconds.

    `slot_s` is the time after which its slot frees itself; `stale_s` the time after which a create that was not
    heard of again has lost its worker. `idempotency` is (digest of the tenant's key, fingerprint of the request);
    `input_digest` names the input, so that its execution is recognised upstream if its answer never comes. `webhook`
    is where the tenant wants to be told of the end. `policy` is the number of the policy by which it was priced (0
    where the ledger knows of none). `facts` are what of the input decided its price. `place` is of one that may
    wait for an upstream slot.
    """

    id: str
    tenant: str
    key: str
    model: str
    price_version: str
    estimate: int
    hold: int
    slot_s: float
    stale_s: float
    idempotency: tuple[str, str] | None = None
    input_digest: str = ""
    webhook: Webhook | None = None
    policy: int = 0
    facts: str = ""
    dry: bool = False
    place: Place | None = None


class Capacity(NamedTuple):
    """What one upstream key can take: its id, creates in any 60 s, predictions in flight."""

    id: str
    creates_per_minute: int
    concurrent: int


class Unfit(StrEnum):
    """Why upstream takes nothing by a key: it does not accept it, its balance is too low, or it had enough of it."""

    REFUSED = "refused"
    UNPAID = "unpaid"
    LIMITED = "limited"


class Rest(NamedTuple):
    """That an upstream key is to rest, and how long where upstream said so (else 0)."""

    why: Unfit
    seconds: float = 0.0


class Use(NamedTuple):
    """A limit as the decision found it: amounts in the limit's own unit, `wait_us` until asking again helps."""

    limit: Limit
    violated: bool
    used: int
    held: int
    wait_us: int


class Admitted(msgspec.Struct, frozen=True):
    """The money is held; `uses` are after this create (empty if the answer to a first try was lost)."""

    upstream_key: str
    at_us: int
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class OverLimit:
    """One or more enforced limits would be passed, or a sum would leave its range; nothing was written."""

    at_us: int
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Busy:
    """Every limit passes, but no upstream key has a slot and rate free, or others wait for them.

    `wait_us` is how long that probably lasts, 0 where nothing is known.
    """

    at_us: int
    wait_us: int
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Queued:
    """The same, but it waits, and is to ask again when it is called; nothing is held.

    `number` says when it came. `entered` is false where it was in the queue before.
    """

    number: int
    entered: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """The store may have lost what it acknowledged, in a failover: nothing is admitted until that is made up for."""

    at_us: int
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The Idempotency-Key was used for another request."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The first create with this Idempotency-Key is still being sent."""

    reservation: str


@dataclass(frozen=True, slots=True)
class Doubted:
    """The first create with this Idempotency-Key has an unknown outcome."""

    reservation: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The first create with this Idempotency-Key was answered: this is the answer."""

    reservation: str
    status: int
    body: bytes


Final = Admitted | OverLimit | Busy | Closed | Mismatch | Pending | Doubted | Answered
Decision = Final | Queued
