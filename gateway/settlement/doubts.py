"""Doubts: which of upstream's executions belong to creates whose answer never came.

Pure reasoning over two lists, without I/O: the reconciler brings them and acts on the result. A wrong assignment
would charge one tenant for another's prediction, so where more than one tenant could be meant, none is.
"""

from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from gateway.domain.reservation import Reservation
from gateway.upstream.answers import Execution


class Doubt(NamedTuple):
    """A reservation in doubt, with the span of upstream's time in which its prediction can have begun."""

    reservation: Reservation
    from_us: int
    until_us: int


class Match(NamedTuple):
    """An execution that is the prediction of a reservation."""

    reservation: Reservation
    execution: Execution


class Findings(NamedTuple):
    """What a complete listing says: proofs, doubts that no execution can explain, and those that one may explain."""

    matches: list[Match]
    absent: list[Reservation]
    contested: list[Reservation]

    def among(self, asked: Container[str]) -> "Findings":
        """Leave out the doubts that were looked at only as rivals; a proof is a proof of any."""
        return Findings(
            self.matches,
            [each for each in self.absent if each.id in asked],
            [each for each in self.contested if each.id in asked],
        )


def resolve(doubts: Sequence[Doubt], executions: Iterable[Execution], withheld: Sequence[Execution] = ()) -> Findings:
    """Assign executions (unclaimed ones, older than every create in flight) to doubts.

    Doubts of one tenant with equal model and hold are interchangeable. Oldest first, so that a listing read twice
    gives the same result. What is `withheld` is assigned to nobody, but a doubt that it could belong to is not
    absent.
    """
    open_doubts = sorted(doubts, key=lambda doubt: (doubt.from_us, doubt.reservation.id))
    matches: list[Match] = []
    contested: set[str] = set()
    for execution in sorted(executions, key=lambda e: (e.created_us, e.id)):
        able = [doubt for doubt in open_doubts if could_be(doubt, execution)]
        if len({_identity(doubt.reservation) for doubt in able}) == 1:
            matches.append(Match(able[0].reservation, execution))
            open_doubts.remove(able[0])
        else:
            contested.update(doubt.reservation.id for doubt in able)
    contested.update(doubt.reservation.id for doubt in open_doubts if any(could_be(doubt, e) for e in withheld))
    return Findings(
        matches,
        [doubt.reservation for doubt in open_doubts if doubt.reservation.id not in contested],
        [doubt.reservation for doubt in open_doubts if doubt.reservation.id in contested],
    )


def could_be(doubt: Doubt, execution: Execution) -> bool:
    """Tell whether an execution is of the doubt's model, and began in its span."""
    return execution.model == doubt.reservation.model and doubt.from_us <= execution.created_us <= doubt.until_us


def _identity(reservation: Reservation) -> tuple[str, str, int]:
    return reservation.tenant, reservation.model, reservation.hold
