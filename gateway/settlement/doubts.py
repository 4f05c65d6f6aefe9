"""Doubts: which of upstream's executions belong to creates whose answer never came.

Pure reasoning over two lists, without I/O: the reconciler brings them and acts on the result. A wrong assignment
would charge one key for another's prediction, and hand its answer to the wrong one, so where more than one request
could be meant, none is.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from gateway.domain.reservation import Reservation
from gateway.domain.window import FOREVER_US
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
    final_us: int = FOREVER_US,
) -> Findings:
    """Assign executions (unclaimed ones, older than every create in flight) to doubts.

    Given away is what is certain: an execution that could be of one doubt only, and a group of executions and doubts,
    linked by what could be whose, in which all doubts are interchangeable (of one key, with equal model, hold and
    input) and to which nothing can come any more: their spans end before `final_us`, until when upstream's list is
    complete, and nothing withheld could be theirs. Given away earlier, an execution could be taken from the one of
    two equal doubts that alone could have it, whose own would then look like a third one's.
    What remains are `puzzles`, unless `digests` (execution id → digest of its input) tells whose they are. What is
    `withheld` is assigned to nobody, but a doubt that it could belong to is not absent.
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
            if able and (len(able) == 1 or _interchangeable(groups[able[-1].reservation.id], withheld, final_us)):
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
) -> dict[str, list[Doubt]]:
    """Give, for each doubt, its group: all doubts that executions link with it."""
    groups = {doubt.reservation.id: [doubt] for doubt in doubts}
    for execution in executions:
        for one, other in pairwise(_able(doubts, execution, digests)):
            first, second = groups[one.reservation.id], groups[other.reservation.id]
            if first is not second:
                first += second
                groups.update((doubt.reservation.id, first) for doubt in second)
    return groups


def _interchangeable(group: Sequence[Doubt], withheld: Sequence[Execution], final_us: int) -> bool:
    """Tell whether it does not matter who of a group gets which execution, now and whatever is still to come."""
    same = len({_identity(doubt.reservation) for doubt in group}) == 1
    complete = all(doubt.until_us < final_us for doubt in group)
    return same and complete and not any(could_be(doubt, each) for doubt in group for each in withheld)


def _able(doubts: Sequence[Doubt], execution: Execution, digests: Mapping[str, str]) -> list[Doubt]:
    """Give the doubts that an execution could belong to, in order; with a known input, those that asked for it."""
    able = [doubt for doubt in doubts if could_be(doubt, execution)]
    digest = digests.get(execution.id)
    return [doubt for doubt in able if doubt.reservation.input_digest == digest] or able


def accounted(execution: Execution, unnamed: Counter[tuple[str, int]]) -> bool:
    """Tell whether an execution is charged otherwise: a workflow's step in its total, a chat by its usage.

    The latter has no name here, so it is the first of its model and cost, and taken out of `unnamed`.
    """
    name = (execution.requested, execution.reading.cost or 0)
    known = bool(execution.requested) and unnamed[name] > 0
    unnamed[name] -= known
    return known or bool(execution.workflow)


def could_be(doubt: Doubt, execution: Execution) -> bool:
    """Tell whether an execution is of the doubt's model, and began in its span; a step of a workflow is nobody's."""
    named = doubt.reservation.model in (execution.model, execution.requested) and not execution.workflow
    return named and doubt.from_us <= execution.created_us <= doubt.until_us


def _identity(reservation: Reservation) -> tuple[str | int, ...]:
    return reservation.tenant, reservation.key, reservation.model, reservation.hold, reservation.input_digest


def interchangeable(one: Reservation, other: Reservation) -> bool:
    """Tell whether it does not matter which of two has which execution, as far as is known after an end."""
    return _identity(one)[:-1] == _identity(other)[:-1]


def chains(doubts: Iterable[Doubt]) -> list[list[Doubt]]:
    """Group what may be each other's rivals: doubts of one model whose spans overlap, or are linked by others'.

    All spans of an account are equally long. While one of a chain is in doubt, the others must be known: without
    them its execution could be taken for theirs, or theirs for its own.
    """
    found: list[list[Doubt]] = []
    for doubt in sorted(doubts, key=lambda doubt: (doubt.reservation.model, doubt.from_us)):
        last = found[-1][-1] if found else None
        if last and last.reservation.model == doubt.reservation.model and doubt.from_us <= last.until_us:
            found[-1].append(doubt)
        else:
            found.append([doubt])
    return found
