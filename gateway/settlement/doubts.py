"""Doubts: which of upstream's executions belong to creates whose answer never came.

Pure reasoning over two lists, without I/O: the reconciler brings them and acts on the result. A wrong assignment
would charge one key for another's prediction, and hand its answer to the wrong one, so where more than one request
could be meant, none is.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
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
    puzzles: list[Execution]

    def among(self, asked: Container[str]) -> "Findings":
        """Leave out the doubts that were looked at only as rivals; a proof is a proof of any."""
        return Findings(
            self.matches,
            [each for each in self.absent if each.id in asked],
            [each for each in self.contested if each.id in asked],
            self.puzzles,
        )


def resolve(
    doubts: Sequence[Doubt],
    executions: Iterable[Execution],
    withheld: Sequence[Execution] = (),
    digests: Mapping[str, str] = MappingProxyType({}),
) -> Findings:
    """Assign executions (unclaimed ones, older than every create in flight) to doubts.

    Doubts of one key with equal model, hold and input are interchangeable; executions that could belong to others too
    are `puzzles`, unless `digests` (execution id → digest of its input) tells whose they are. Oldest first, so that a
    listing read twice gives the same result. What is `withheld` is assigned to nobody, but a doubt that it could
    belong to is not absent.
    """
    open_doubts = sorted(doubts, key=lambda doubt: (doubt.from_us, doubt.reservation.id))
    matches: list[Match] = []
    contested: set[str] = set()
    puzzles: list[Execution] = []
    for execution in sorted(executions, key=lambda e: (e.created_us, e.id)):
        able = [doubt for doubt in open_doubts if could_be(doubt, execution)]
        able = [each for each in able if each.reservation.input_digest == digests.get(execution.id)] or able
        if len({_identity(doubt.reservation) for doubt in able}) == 1:
            matches.append(Match(able[0].reservation, execution))
            open_doubts.remove(able[0])
        elif able:
            contested.update(doubt.reservation.id for doubt in able)
            puzzles.append(execution)
    contested.update(doubt.reservation.id for doubt in open_doubts if any(could_be(doubt, e) for e in withheld))
    return Findings(
        matches,
        [doubt.reservation for doubt in open_doubts if doubt.reservation.id not in contested],
        [doubt.reservation for doubt in open_doubts if doubt.reservation.id in contested],
        puzzles,
    )


def could_be(doubt: Doubt, execution: Execution) -> bool:
    """Tell whether an execution is of the doubt's model, and began in its span."""
    return execution.model == doubt.reservation.model and doubt.from_us <= execution.created_us <= doubt.until_us


def _identity(reservation: Reservation) -> tuple[str | int, ...]:
    return reservation.tenant, reservation.key, reservation.model, reservation.hold, reservation.input_digest
