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
        """Leave out the doubts that came up after the list was asked for; a proof is a proof of any."""
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

    Given away is what is certain: an execution that could be of one doubt only, and a group of executions and doubts,
    linked by what could be whose, in which all doubts are interchangeable (of one key, with equal model, hold and
    input). Within a group the newest execution goes to the doubt that began last, which leaves the others to older
    ones that are still to appear. What remains are `puzzles`, unless `digests` (execution id → digest of its input)
    tells whose they are. What is `withheld` is assigned to nobody, but a doubt that it could belong to is not absent.
    """
    left = sorted(doubts, key=lambda doubt: (doubt.from_us, doubt.reservation.id))
    pending = sorted(executions, key=lambda execution: (-execution.created_us, execution.id))
    matches: list[Match] = []
    found = True
    while found:
        found = False
        groups = _groups(left, pending, digests)
        for execution in tuple(pending):
            able = _able(left, execution, digests)
            if able and (len(able) == 1 or len(groups[able[-1].reservation.id]) == 1):
                matches.append(Match(able[-1].reservation, execution))
                left.remove(able[-1])
                pending.remove(execution)
                found = True
    puzzles = [execution for execution in pending if _able(left, execution, digests)]
    open_ends = [*puzzles, *withheld]
    contested = {doubt.reservation.id for doubt in left if any(could_be(doubt, each) for each in open_ends)}
    return Findings(
        matches,
        [doubt.reservation for doubt in left if doubt.reservation.id not in contested],
        [doubt.reservation for doubt in left if doubt.reservation.id in contested],
        puzzles,
    )


def _groups(
    doubts: Sequence[Doubt], executions: Sequence[Execution], digests: Mapping[str, str]
) -> dict[str, set[tuple[str | int, ...]]]:
    """Give, for each doubt, the identities in its group: of all doubts that executions link with it."""
    groups = {doubt.reservation.id: {_identity(doubt.reservation)} for doubt in doubts}
    members = {doubt.reservation.id: [doubt.reservation.id] for doubt in doubts}
    for execution in executions:
        first, *others = [doubt.reservation.id for doubt in _able(doubts, execution, digests)] or [""]
        for other in others:
            if members[first] is not members[other]:
                members[first] += members[other]
                groups[first] |= groups[other]
                for each in members[other]:
                    members[each], groups[each] = members[first], groups[first]
    return groups


def _able(doubts: Sequence[Doubt], execution: Execution, digests: Mapping[str, str]) -> list[Doubt]:
    """Give the doubts that an execution could belong to, in order; with a known input, those that asked for it."""
    able = [doubt for doubt in doubts if could_be(doubt, execution)]
    digest = digests.get(execution.id)
    return [doubt for doubt in able if doubt.reservation.input_digest == digest] or able


def could_be(doubt: Doubt, execution: Execution) -> bool:
    """Tell whether an execution is of the doubt's model, and began in its span."""
    return execution.model == doubt.reservation.model and doubt.from_us <= execution.created_us <= doubt.until_us


def _identity(reservation: Reservation) -> tuple[str | int, ...]:
    return reservation.tenant, reservation.key, reservation.model, reservation.hold, reservation.input_digest
