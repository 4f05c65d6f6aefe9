"""The outcome of a create: what upstream's answer, or the lack of one, proves about money."""

import logging
from enum import Enum
from types import MappingProxyType

import msgspec

from gateway.admission.refusals import busy, in_doubt
from gateway.domain.errors import Code, Refused
from gateway.ledger.decisions import Rest, Unfit
from gateway.upstream.answers import read_created
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown

log = logging.getLogger("gateway.create")

#: Full refusing answers: nothing ran, and the client reads why. 405 to 431 are refusals of the request's form, such
#: as 413 for a body that is a little under our own bound. Every other status without an id proves nothing.
PASSED_ON = frozenset((400, 404, 405, 411, 413, 415, 422, 431))
OPERATORS_AFFAIR = frozenset((401, 402, 403))
_UNFIT = MappingProxyType({401: Rest(Unfit.REFUSED), 402: Rest(Unfit.UNPAID)})
BUSY_SECONDS = 5


class Kind(Enum):
    """What is proved."""

    RUNS = "runs"
    NOTHING_RAN = "nothing ran"
    UNKNOWN = "unknown"


class Outcome(msgspec.Struct, frozen=True):
    """A judged create: the prediction's id if it runs, and the refusal where upstream's answer is not passed on.

    `rest` is set where upstream refused the key by which it was sent, and not the request.
    """

    kind: Kind
    reason: str
    prediction: str | None = None
    refusal: Refused | None = None
    rest: Rest | None = None


def judge(answer: Answer | NotSent | OutcomeUnknown, reservation: str) -> Outcome:
    """Tell what became of a create. Unreadable answers and 5xx prove nothing, so their hold stays."""
    if isinstance(answer, NotSent):
        return Outcome(Kind.NOTHING_RAN, f"not sent: {answer}", refusal=_unreachable(answer))
    if isinstance(answer, OutcomeUnknown):
        return Outcome(Kind.UNKNOWN, f"no answer: {answer}", refusal=in_doubt(reservation))
    reason = f"answered {answer.status}"
    if answer.status in PASSED_ON:
        return Outcome(Kind.NOTHING_RAN, reason)
    if answer.status in OPERATORS_AFFAIR:
        log.error("upstream refuses the gateway's own key or account: %s %s", reason, answer.body[:200])
        return Outcome(Kind.NOTHING_RAN, reason, refusal=unavailable(), rest=_UNFIT.get(answer.status))
    if answer.status == 429:
        seconds = _retry_after(answer)
        return Outcome(
            Kind.NOTHING_RAN, reason, refusal=busy(seconds or BUSY_SECONDS), rest=Rest(Unfit.LIMITED, seconds)
        )
    prediction = read_created(answer.body) if 200 <= answer.status < 300 else None
    if prediction is None:
        return Outcome(Kind.UNKNOWN, reason, refusal=in_doubt(reservation))
    return Outcome(Kind.RUNS, reason, prediction)


def unavailable() -> Refused:
    """Say that upstream refuses the gateway itself; whose fault that is, is told in log and metric only."""
    return Refused(
        Code.UPSTREAM_UNAVAILABLE,
        "the gateway cannot use its upstream account just now; its operator has been told",
        headers={"Retry-After": "60"},
    )


def _unreachable(error: NotSent) -> Refused:
    log.error("upstream cannot be reached: %s", error)
    return Refused(Code.UPSTREAM_UNREACHABLE, "upstream cannot be reached; nothing was sent, and nothing is held")


def _retry_after(answer: Answer) -> int:
    """Read how long upstream asks to wait, in seconds; 0 where it does not say."""
    text = answer.header(b"retry-after") or ""
    return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) < 6 else 0
