"""The judge: how far the bill passed the cap, and which refusals had no reason. Pure reasoning over what was seen.

A gateway may hold the money of whatever it let pass, and of whatever may be running; what it holds is not seen from
outside, so it has the benefit of the doubt: a refusal is wrongful only if even the most that can have been held at
any moment between its request and its answer left room for it.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from benchmarks.accuracy.calls import Answer, End

NOTHING = Decimal(0)


class Verdict(NamedTuple):
    """What became of one tenant's calls; amounts in US dollars."""

    cap: Decimal
    billed: Decimal
    requests: int
    admitted: int
    refused: int
    wrongful: int

    @property
    def overspend_percent(self) -> Decimal:
        """The bill above the cap, in percent of the cap."""
        return 100 * max(self.billed - self.cap, NOTHING) / self.cap

    @property
    def wrongful_percent(self) -> Decimal:
        """Refusals although there was room, in percent of all requests."""
        return Decimal(100 * self.wrongful) / max(self.requests, 1)


def judge(cap: Decimal, billed: Decimal, answers: Sequence[Answer]) -> Verdict:
    """Judge a tenant's calls by their answers and upstream's bill."""
    holders = [answer for answer in answers if answer.end is not End.REFUSED]
    refused = [answer for answer in answers if answer.end is End.REFUSED]
    return Verdict(
        cap,
        billed,
        len(answers),
        sum(answer.end is End.ADMITTED for answer in answers),
        len(refused),
        sum(most_held(holders, each) + each.hold <= cap for each in refused),
    )


def most_held(holders: Sequence[Answer], refused: Answer) -> Decimal:
    """Add up the most that others can have held at any moment of a refused request."""
    return sum((_held(holder, refused) for holder in holders), NOTHING)


def _held(holder: Answer, refused: Answer) -> Decimal:
    if holder.sent > refused.answered:
        return NOTHING
    if holder.freed is not None and holder.freed < refused.sent:
        return holder.kept
    return holder.hold
