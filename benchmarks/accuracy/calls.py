"""Calls: what a client asks for, what is to go wrong with it, and what it was answered."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, StrEnum
from random import Random

import httpx

#: What one unit of a call costs: an image of up to a megapixel, or a token of output, by the gateway's dialect.
UNIT_USD = Decimal("0.014")
MOST_UNITS = 4


class Fault(StrEnum):
    """What goes wrong upstream; `BILLED` are those of which a call is billed all the same."""

    OK = "ok"
    REFUSED = "refused"  # answered 400
    FAILED = "failed"  # accepted, and ended without a result and without a cost; in a dialect without jobs: refused
    ERROR_BEFORE = "error_before"  # answered 500, and nothing ran
    ERROR_AFTER = "error_after"  # it ran, and is answered 500
    CUT_BEFORE = "cut_before"  # the connection is cut, and nothing ran
    CUT_AFTER = "cut_after"  # it ran, and the connection is cut


BILLED = frozenset((Fault.OK, Fault.ERROR_AFTER, Fault.CUT_AFTER))


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its tenant and number, how many units it asks for, its fault, and how long upstream takes."""

    tenant: str
    number: int
    units: int
    fault: Fault
    delay_ms: int

    @property
    def usd(self) -> Decimal:
        """What it costs, known before it is sent."""
        return self.units * UNIT_USD

    @property
    def text(self) -> str:
        """The prompt, by which upstream knows all that it has to do."""
        return f"{self.tenant} {self.number} {self.fault} {self.delay_ms}"

    @classmethod
    def parse(cls, text: str, units: int) -> "Call":
        """Read a prompt. Raises ValueError for what is none."""
        tenant, number, fault, delay_ms = text.split(" ")
        return cls(tenant, int(number), units, Fault(fault), int(delay_ms))


class End(Enum):
    """What a client knows of a call after its answer."""

    ADMITTED = "admitted"
    REFUSED = "refused"  # by the gateway, for its budget
    GIVEN_BACK = "given back"  # upstream refused it: it holds nothing from its answer on
    UNKNOWN = "unknown"  # sent, and perhaps billed: it may be held for as long as that is not known
    NOT_TAKEN = "not taken"  # the gateway refused it for another reason, or could not be reached


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended; times in seconds of one clock.

    `hold` is the most that it may hold from `sent` on; from `freed` on it holds only `kept` (None: it never is less).
    """

    call: Call
    end: End
    sent: float
    answered: float
    hold: Decimal
    freed: float | None = None
    kept: Decimal = Decimal(0)

    @classmethod
    def now(cls, call: Call, end: End, sent: float) -> "Answer":
        """Note an answer that came just now; what did not run holds nothing from here on."""
        answered = time.monotonic()
        freed = answered if end in (End.GIVEN_BACK, End.NOT_TAKEN) else None
        return cls(call, end, sent, answered, call.usd, freed)

    @classmethod
    def lost(cls, call: Call, error: httpx.TransportError, sent: float) -> "Answer":
        """Note that no answer came: without a connection it was never taken, else nothing is known."""
        unheard = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        return cls.now(call, End.NOT_TAKEN if unheard else End.UNKNOWN, sent)

    def settled(self, hold: Decimal, cost: Decimal) -> "Answer":
        """Note that just now the gateway said what it cost, after it had held so much."""
        return replace(self, hold=hold, freed=time.monotonic(), kept=cost)


def draw(seed: int, tenant: str, clients: int, each: int, faults: Sequence[tuple[Fault, float]]) -> list[list[Call]]:
    """Draw the calls of every client; `faults` are shares, what is left of 1 goes well."""
    random = Random(f"{seed} {tenant}")
    names = [fault for fault, _ in faults] + [Fault.OK]
    weights = [share for _, share in faults] + [1 - sum(share for _, share in faults)]

    def call(number: int) -> Call:
        (fault,) = random.choices(names, weights)
        return Call(tenant, number, random.randint(1, MOST_UNITS), fault, random.randint(0, 40))

    return [[call(client * each + index) for index in range(each)] for client in range(clients)]
