"""Grants as `gateway usage --grants` tells of them: what each raises, and what was admitted that needed it."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.domain.instants import instant
from gateway.domain.limit import Grant, Limit
from gateway.domain.money import format_usd
from gateway.ledger.granted import Granted
from gateway.policy.limit_words import amount_words

GRANT_COLUMNS = (
    *("limit", "reason", "state", "raised_by", "from", "until"),
    *("creates", "charged_usd", "held_usd"),
)
_NOTHING = Granted(0, 0, 0)


def grant_rows(
    limits: Sequence[Limit], granted: Mapping[str, Granted], now_us: int
) -> Iterator[dict[str, str | int | None]]:
    """Give a row for every grant of the policy, then for what the journal names and the policy does not.

    That is a grant that was taken out of it, or several that were needed together.
    """
    told: set[str] = set()
    for limit in limits:
        for grant in limit.grants:
            name = f"{limit.scope}/{limit.id}: {grant.reason}"
            told.add(name)
            raised = amount_words(limit, grant.amount), instant(grant.from_us), instant(grant.until_us)
            yield _row(name, _state(grant, now_us), granted.get(name, _NOTHING), *raised)
    for name in sorted(granted.keys() - told):
        yield _row(name, "together" if "; " in name else "removed", granted[name])


def raised_now(limits: Sequence[Limit], now_us: int) -> Iterator[str]:
    """Say which limits are raised at a time of the store."""
    for limit in limits:
        for grant in limit.at(now_us).grants:
            raised = amount_words(limit, grant.amount)
            yield f"{limit.scope}/{limit.id} is raised by {raised} until {instant(grant.until_us)}: {grant.reason}"


def _state(grant: Grant, now_us: int) -> str:
    if grant.in_force(now_us):
        return "in force"
    return "to come" if now_us < grant.from_us else "over"


def _row(
    name: str,
    state: str,
    granted: Granted,
    raised_by: str | None = None,
    start: str | None = None,
    until: str | None = None,
) -> dict[str, str | int | None]:
    limit, _, reason = name.partition(": ")
    return {
        "limit": limit,
        "reason": reason,
        "state": state,
        "raised_by": raised_by,
        "from": start,
        "until": until,
        "creates": granted.creates,
        "charged_usd": format_usd(granted.charged),
        "held_usd": format_usd(granted.held),
    }
