"""Grants under simulation: what raises a limit is in force at that moment, and told where it alone made room."""

from collections.abc import Sequence
from typing import Any

from simulation.reference import Reference
from simulation.violation import check


def check_grants(ref: Reference, checks: Sequence[Sequence[Any]], at: int) -> None:
    """Check that each limit is raised by what its text names, all of it in force."""
    for kind, _, amount, place, _, _, granted, text in checks:
        reasons = text.rpartition(": ")[2].split("; ") if text else []
        found = [ref.grants[reason] for reason in reasons]
        right = granted == sum(raised for raised, _, _ in found) <= amount
        in_force = all(start <= at < until for _, start, until in found)
        check("limit", right and in_force, kind, place, "is raised by", granted, "at", at, "for", found)


def needed_grants(checks: Sequence[Sequence[Any]], found: Sequence[Sequence[int]]) -> list[str]:
    """Give the texts that the journal must have for an admission."""
    return [
        text
        for (_, enforced, amount, _, _, _, granted, text), shown in zip(checks, found, strict=True)
        if enforced and granted and shown[1] + shown[2] > amount - granted
    ]
