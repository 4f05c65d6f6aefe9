"""Replies of the reserve script, read into decisions."""

import sys
from collections.abc import Sequence
from typing import Any

from gateway.domain.limit import Limit
from gateway.domain.reservation import State
from gateway.ledger.decisions import (
    Admitted,
    Answered,
    Busy,
    Closed,
    Decision,
    Doubted,
    Mismatch,
    OverLimit,
    Pending,
    Queued,
    Use,
)
from gateway.ledger.store import LedgerUnavailable


def read_decision(what: bytes, rest: list[Any], limits: Sequence[Limit], at_us: int) -> Decision:
    """Read a reply whose first word is `what`; `limits` are those of the request, in its order.

    Raises LedgerUnavailable where the id was used before and has gone on since, and for an unknown word.
    """
    match what:
        case b"admitted":
            return Admitted(sys.intern(rest[0].decode()), at_us, _uses(limits, rest[1]))  # kept with every create
        case b"known":
            return _repeated(rest[0], rest[1], at_us)
        case b"refused":
            return OverLimit(at_us, _uses(limits, rest[0]))
        case b"busy":
            return Busy(at_us, int(rest[0]), _uses(limits, rest[1]))
        case b"queued":
            return Queued(int(rest[0]), bool(rest[1]))
        case b"closed":
            return Closed(at_us, _uses(limits, rest[0]))
        case b"mismatch":
            return Mismatch()
        case b"doubted" | b"pending":
            return (Doubted if what == b"doubted" else Pending)(rest[0].decode())
        case b"answered":
            return Answered(rest[0].decode(), int(rest[1]), rest[2])
    raise LedgerUnavailable(f"reserve: unknown reply {what!r}")


def _repeated(state: bytes, upstream_key: bytes, at_us: int) -> Admitted:
    """The reply to the first try was lost on the way; what it decided stands."""
    if state != State.HELD.encode():
        raise LedgerUnavailable(f"reserve: this id is already {state.decode()}")
    return Admitted(upstream_key.decode(), at_us, ())


def _uses(limits: Sequence[Limit], checks: list[list[int]]) -> tuple[Use, ...]:
    return tuple(
        Use(limit, bool(violated), used, held, wait)
        for limit, (violated, used, held, wait) in zip(limits, checks, strict=True)
    )
