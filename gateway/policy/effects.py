"""Effects: what a changed limit does to those who have used some of it already."""

from gateway.domain.limit import Limit, LimitKind, Mode
from gateway.policy.limit_words import amount_words


def effect_words(old: Limit | None, new: Limit | None, taken: int) -> str:
    """Say what a change does at once; `taken` is what is used and held now, as the new limit counts it.

    Empty where nothing is to be said: for rates, whose use is over in a moment, and for limits that only watch.
    """
    if new is None or new.kind is LimitKind.RATE:
        return ""
    stopped, stops = _is_full(old, taken), _is_full(new, taken)
    said = f"{amount_words(new, taken)} {'now' if new.kind is LimitKind.CONCURRENCY else 'already used'}"
    if stops and not stopped:
        return f"{said}: creates stop at once"
    if stopped and not stops:
        return f"{said}: creates go on at once"
    if stops:
        return f"{said}: creates stay stopped"
    return said if taken else ""


def _is_full(limit: Limit | None, taken: int) -> bool:
    """Tell whether a limit refuses every create that costs anything."""
    return limit is not None and limit.mode is Mode.ENFORCE and taken >= limit.amount
