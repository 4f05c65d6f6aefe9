"""Records: a reservation as the store keeps it, read into the domain's word for it."""

from collections.abc import Sequence

from gateway.domain.reservation import How, Reservation, State


def read_record(account: str, reservation: str, flat: Sequence[bytes]) -> Reservation:
    """Read the flat field-value list of a record."""
    record = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}
    return Reservation(
        id=reservation,
        state=State(record["state"]),
        account=account,
        tenant=record.get("tenant", ""),
        key=record.get("key", ""),
        model=record.get("model", ""),
        price_version=record.get("price", ""),
        upstream_key=record.get("upstream", ""),
        estimate=int(record.get("estimate", 0)),
        hold=int(record.get("hold", 0)),
        admitted_us=int(record.get("admitted", 0)),
        cost=_number(record.get("cost")),
        how=How(record["how"]) if "how" in record else None,
        prediction=record.get("prediction"),
        status=record.get("status"),
        confirmed_us=_number(record.get("confirmed")),
        finished_us=_number(record.get("finished")),
        ended_us=_number(record.get("ended")),
        input_digest=record.get("input", ""),
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
