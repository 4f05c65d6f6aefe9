"""Records: a reservation as the store keeps it, read into the domain's word for it."""

from collections.abc import Sequence

import msgspec

from gateway.domain.reservation import How, Reservation, State
from gateway.ledger.labels import Labels


class Ended(msgspec.Struct, array_like=True, frozen=True):
    """An ended reservation as `ENDED` of common.lua packs it; what is not there is ''.

    The times behind `admitted` are microseconds since it; −1 is one that did not come.
    """

    state: State
    labels: int
    model: str
    upstream: str
    estimate: int
    hold: int
    admitted: int
    prediction: str
    confirmed: int
    finished: int
    ended: int
    cost: int
    how: How
    status: str


def read_record(account: str, reservation: str, flat: Sequence[bytes]) -> Reservation:
    """Read the flat field-value list of a live reservation's record."""
    record = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}
    return Reservation(
        id=reservation,
        state=State(record["state"]),
        account=account,
        tenant=record["tenant"],
        key=record["key"],
        model=record["model"],
        price_version=record["price"],
        upstream_key=record["upstream"],
        estimate=int(record["estimate"]),
        hold=int(record["hold"]),
        admitted_us=int(record["admitted"]),
        prediction=record.get("prediction"),
        status=record.get("status"),
        confirmed_us=_number(record.get("confirmed")),
        finished_us=_number(record.get("finished")),
        input_digest=record.get("input", ""),
        lost_us=_number(record.get("sent")),
    )


def read_ended(account: str, reservation: str, ended: Ended, labels: Labels) -> Reservation:
    """Read the record of an ended reservation, with its labels."""
    return Reservation(
        id=reservation,
        state=ended.state,
        account=account,
        tenant=labels.tenant,
        key=labels.key,
        model=ended.model or labels.model,
        price_version=labels.price_version,
        upstream_key=ended.upstream,
        estimate=ended.estimate,
        hold=ended.hold,
        admitted_us=ended.admitted,
        cost=ended.cost,
        how=ended.how,
        prediction=ended.prediction or None,
        status=ended.status or None,
        confirmed_us=_after(ended.admitted, ended.confirmed),
        finished_us=_after(ended.admitted, ended.finished),
        ended_us=_after(ended.admitted, ended.ended),
    )


def _after(start_us: int, since_us: int) -> int | None:
    return None if since_us < 0 else start_us + since_us


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
