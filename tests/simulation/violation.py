"""What is checked under simulation, by name, and what is raised where it does not hold."""

from types import MappingProxyType

NAMES = MappingProxyType(
    {
        "limit": "1: no enforced limit is passed at an admission, and none refuses wrongly",
        "sums": "2: held = Σ live holds, charged = Σ costs + corrections, in every scope and window",
        "slots": "3: slots taken = live reservations that hold one, and none is kept by an ended one",
        "journal": "4: dense, one entry for each change and none without",
        "alert": "each threshold is noticed at the admission that reaches it, once in its window, and told",
        "audit": "4: checkpoint + fold(journal) = counters, by the gateway's own auditor",
        "life": "5: one beginning, at most one end, only the ways of the table",
        "sent": "6: a create is sent once, after its durable hold, by the key that was reserved",
        "bill": "7: after quiet, charged = upstream's bill, assumptions apart",
        "upstream": "8: never more than N creates in 60 s nor C in flight, as upstream sees it",
        "queue": "an upstream slot goes to whose turn it is, and none is free while its turn waits",
        "repeat": "9: refusals and repeats change nothing; an Idempotency-Key runs once",
        "told": "12: a tenant is told of its own ends, of each at least once, and under one id",
        "failover": "13: after a loss nothing is admitted before the ledger has what was acknowledged and ran",
        "quiet": "11: every live reservation ends, and nothing is left of it",
        "fault": "no request or round ends in an unforeseen error",
    }
)


class Violation(BaseException):
    """An invariant is broken; no Exception, so that nothing under test takes it for a fault of store or upstream."""


def check(name: str, holds: object, *facts: object) -> None:
    if not holds:
        raise Violation(f"{name} ({NAMES[name]}): {' '.join(map(str, facts))}")
