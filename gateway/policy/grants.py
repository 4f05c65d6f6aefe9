"""Compiling grants: raises of a limit for a while, each put into the limit that it raises."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.limit import Grant, Limit, LimitKind
from gateway.domain.money import MAX_UNITS
from gateway.policy.documents import GrantDocument
from gateway.policy.problems import Spot, suggestion
from gateway.policy.rules import read_instant, read_money


def with_grants(limits: Sequence[Limit], documents: Sequence[GrantDocument], owner: Spot) -> tuple[Limit, ...]:
    """Give the limits of one scope with the grants that stand beside them."""
    granted: dict[str, list[Grant]] = {}
    for position, document in enumerate(documents):
        spot = owner.entry("grant", position, None)
        limit = _raised(document, limits, owner, spot)
        grant = _grant(document, spot)
        if limit and grant:
            _check_fit(document, limit, grant, granted.setdefault(limit.id, []), spot)
    return tuple(replace(limit, grants=tuple(granted.get(limit.id, ()))) for limit in limits)


def _grant(document: GrantDocument, spot: Spot) -> Grant | None:
    if not document.reason.strip():
        spot.report("is empty; say why, for whoever reads the journal later", "reason")
    start, until = read_instant(document.start, "from", spot), read_instant(document.until, "until", spot)
    amount = read_money(document.usd, "usd", spot) if document.usd is not None else document.max
    if (document.usd is None) == (document.max is None):
        spot.report("needs usd (for a budget) or max (for a count or concurrency), one of them", of=("usd", "max"))
    elif document.usd is not None and amount == 0:
        spot.report("raises nothing", "usd")
    if start is None or until is None or amount is None:
        return None
    if until <= start:
        spot.report(f"{document.until} is not after from, {document.start}", "until")
    return Grant(amount, start, until, document.reason)


def _raised(document: GrantDocument, limits: Sequence[Limit], owner: Spot, spot: Spot) -> Limit | None:
    """Find the limit that a grant raises: the one that it names, or the only one that its amount fits."""
    fitting = [limit for limit in limits if _fits(document, limit)]
    if document.limit is None:
        if len(fitting) == 1:
            return fitting[0]
        names = f"use one of {_listed(fitting)}" if fitting else "there is none here that it could raise"
        spot.report(f"is missing; {names}", "limit", of=("usd", "max"))
        return None
    found = next((limit for limit in limits if limit.id == document.limit), None)
    if found is None and not owner.at_fault("limit"):  # else it is perhaps one that is not understood
        near = suggestion(document.limit, [limit.id for limit in limits])
        known = f"use one of {_listed(limits)}" if limits else "there is no limit"
        spot.report(f"{document.limit!r} is not a limit of this {owner.path[-2]}; {known}{near}", "limit")
    return found


def _fits(document: GrantDocument, limit: Limit) -> bool:
    if document.usd is not None:
        return limit.kind is LimitKind.BUDGET
    return limit.kind in (LimitKind.COUNT, LimitKind.CONCURRENCY)


def _check_fit(document: GrantDocument, limit: Limit, grant: Grant, others: list[Grant], spot: Spot) -> None:
    """Take a grant for its limit, or say why it cannot raise that."""
    others.append(grant)
    if limit.kind is LimitKind.RATE:
        spot.report(f"{limit.id!r} is a rate, which no grant raises", "limit")
    elif not _fits(document, limit):
        field = "usd" if limit.kind is LimitKind.BUDGET else "max"
        spot.report(f"{limit.id!r} is a {limit.kind}; raise it by {field}", "limit", of=("usd", "max"))
    elif limit.amount + sum(other.amount for other in others) > MAX_UNITS:
        spot.report(f"would raise {limit.id!r} above what can be counted", "usd" if document.usd else "max")


def _listed(limits: Sequence[Limit]) -> str:
    return ", ".join(limit.id for limit in limits)
