"""Alerts under simulation: which thresholds a use has reached, by the reference alone, and whether all were told."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from simulation.reference import Raised, Reference
from simulation.violation import check


def admitted(ref: Reference, req: Mapping[str, Any], found: Sequence[Sequence[int]], at: int) -> None:
    """Take over what an admission must have raised."""
    for asked, shown in zip(req["checks"], found, strict=True):
        for id_, raised in _reached(req, asked, shown[1], shown[2], at):
            ref.alerts.setdefault(id_, raised)


def watched(ref: Reference, req: Mapping[str, Any], raised: Iterable[bytes], at: int) -> None:
    """Check what a watch raised: it is reached, and was not before; what it left out may be behind its scope."""
    reached: dict[str, Raised] = {}
    for asked in req["checks"]:
        c = req["counters"][asked[3] - 1]
        sums = ref.sums(c["scope"], c["start"], c["stop"])
        use = (sums.predictions, 0) if asked[0] == "count" else (sums.charged, sums.held)
        reached |= dict(_reached(req, asked, *use, at))
    for raw in raised:
        id_ = raw.decode()
        check("alert", id_ in reached and id_ not in ref.alerts, id_, "is raised by a watch of", req)
        ref.alerts[id_] = reached[id_]


def claimed(ref: Reference, told: Iterable[str], found: Iterable[Sequence[bytes]]) -> None:
    """Check what a worker is given to tell."""
    for id_ in told:
        ref.alerts[id_].forgotten = True
    for raw, packed in found:
        alert = ref.alerts.get(raw.decode())
        check("alert", alert and not alert.forgotten, raw, "is to be told, and was", alert)
        key, kind, name, limit, used, held, at, _ = msgspec.msgpack.decode(packed)
        check("alert", alert == Raised(key, kind, name, limit, used, held, at), packed, "is told for", alert)


def check_counted(ref: Reference, counted: Mapping[str, int]) -> None:
    """Compare the metric with what was raised."""
    raised = Counter(f"{each.key.split(':c:')[1].split('|')[0]}|{each.name}" for each in ref.alerts.values())
    check("alert", counted == raised, "alerts are counted as", counted, "and were", raised)


def check_told(ref: Reference) -> None:
    """After quiet all were told."""
    untold = [each for each in ref.alerts.values() if not each.forgotten]
    check("alert", not untold, len(untold), "are untold, such as", untold[:2])


def _reached(
    req: Mapping[str, Any], asked: Sequence[Any], used: int, held: int, at: int
) -> Iterable[tuple[str, Raised]]:
    """Give the thresholds of a limit that a use has reached, by the ids that they are to have."""
    kind, _, limit, place, _, alerts, *_ = asked
    for amount, name in alerts:
        if used + held >= amount:
            key = req["counters"][place - 1]["key"]
            id_ = hashlib.sha1(f"{key}|a|{name}|{amount}".encode(), usedforsecurity=False).hexdigest()
            yield id_, Raised(key, kind, name, limit, used, held, at)
