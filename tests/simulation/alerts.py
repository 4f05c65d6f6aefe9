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
        for mark, length, id_, raised in _reached(req, asked, shown[1], shown[2], at):
            if ref.is_news(mark, length, at):
                ref.raise_alert(mark, id_, raised)


def watched(ref: Reference, req: Mapping[str, Any], raised: Iterable[bytes], at: int) -> None:
    """Check what a watch raised: it is reached, and was not before; what it left out may be behind its scope."""
    reached: dict[str, tuple[str, Raised]] = {}
    for asked in req["checks"]:
        c = req["counters"][asked[3] - 1]
        sums = ref.sums(c["scope"], c["start"], c["stop"])
        use = (sums.predictions, 0) if asked[0] == "count" else (sums.charged, sums.held)
        for mark, length, id_, alert in _reached(req, asked, *use, at):
            if ref.is_news(mark, length, at):
                reached[id_] = mark, alert
    for raw in raised:
        id_ = raw.decode()
        check("alert", id_ in reached, id_, "is raised by a watch of", req)
        ref.raise_alert(reached[id_][0], id_, reached[id_][1])


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
) -> Iterable[tuple[str, int, str, Raised]]:
    """Give the thresholds of a limit that a use has reached.

    Each as the mark by which it is known, how long a window is that rolls (0: of the calendar), the id that the alert
    is to have, and the alert.
    """
    kind, _, limit, place, _, alerts, *_ = asked
    for amount, name in alerts:
        if used + held >= amount:
            c = req["counters"][place - 1]
            mark = f"{c['key']}|a|{name}|{amount}"
            once = f"{mark}|{at if c['width'] else ''}"
            id_ = hashlib.sha1(once.encode(), usedforsecurity=False).hexdigest()
            length = c["stop"] - c["start"] if c["width"] else 0
            yield mark, length, id_, Raised(c["key"], kind, name, limit, used, held, at)
