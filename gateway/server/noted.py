"""Noted: creates that policy or limits refuse, for the log of refusals."""

from gateway.admission.price import price_of
from gateway.admission.reading import CreateBody
from gateway.domain.errors import Code, Refused
from gateway.ledger.enactment import PolicyBehind
from gateway.ledger.refused import Refusal
from gateway.ledger.store import LedgerUnavailable
from gateway.policy import Policy, Principal
from gateway.pricing import Quote
from gateway.server.parts import AccountParts
from gateway.server.refusals import as_refusal
from gateway.telemetry import Telemetry

#: What another policy might have answered otherwise. What came after an admission is in the journal.
NOTED = frozenset(
    (
        Code.MODEL_NOT_ALLOWED,
        Code.MODEL_UNPRICED,
        Code.PARAMETER_NOT_ALLOWED,
        Code.BUDGET_EXCEEDED,
        Code.COUNT_EXCEEDED,
        Code.RATE_EXCEEDED,
        Code.CONCURRENCY_EXCEEDED,
        Code.UPSTREAM_BUSY,
    )
)
#: Of a model that no policy knows the name is a client's word.
MOST_NAME = 80


def count_refusal(telemetry: Telemetry, principal: Principal, error: Exception, *, last: bool) -> None:
    """Count a create that is answered with no; unless it is its `last` try, one that a new policy overtook is not: it
    begins anew by that.
    """
    if last or not isinstance(error, PolicyBehind):
        telemetry.admission(principal.tenant.id, as_refusal(error).code.value)()


async def note_refusal(
    parts: AccountParts, policy: Policy, principal: Principal, body: CreateBody, refused: Refused
) -> None:
    """Note a refusal on its way to the client, if it is one of these and the store's time is known."""
    if refused.code not in NOTED:
        return
    try:
        at_us = await parts.ledger.now_us()
    except LedgerUnavailable:
        return
    quoted = _priced(policy, principal, body)
    parts.refusals.note(
        Refusal(
            at_us=at_us,
            tenant=principal.tenant.id,
            key=principal.key,
            model=body.model[:MOST_NAME],
            code=refused.code,
            price_version=quoted.price_version if quoted else "",
            estimate=quoted.estimate if quoted else 0,
            hold=quoted.hold if quoted else 0,
            facts=quoted.facts if quoted else "",
        )
    )


def _priced(policy: Policy, principal: Principal, body: CreateBody) -> Quote | None:
    """Price what was refused, be it before its price was asked for; None where it has none."""
    try:
        return price_of(policy, principal.tenant, body)
    except Refused:
        return None
