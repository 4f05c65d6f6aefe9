"""A tenant's executions, from the ledger, in the shape of upstream's `GET /v1/executions`."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from gateway.domain.errors import Code, Refused
from gateway.domain.instants import instant
from gateway.domain.money import UNITS_PER_USD
from gateway.domain.reservation import Reservation
from gateway.domain.window import MICROSECONDS
from gateway.ledger.views import Views

PAGE = 25  # records that are read at once; the creates want their share of the store's connections
#: A list with filters looks at no more than this many of the tenant's newest predictions.
MOST_SCANNED = 2_000


class Filters(NamedTuple):
    """What a client asks to see; times in microseconds."""

    limit: int
    offset: int
    model: str | None
    statuses: frozenset[str]
    from_us: int | None
    to_us: int | None

    @property
    def any(self) -> bool:
        """Whether some predictions may be left out."""
        return bool(self.model or self.statuses or self.from_us is not None or self.to_us is not None)

    def admits(self, found: Reservation) -> bool:
        """Tell whether a prediction is asked for."""
        return (
            (self.model is None or found.model == self.model)
            and (not self.statuses or status_of(found) in self.statuses)
            and (self.from_us is None or found.admitted_us >= self.from_us)
            and (self.to_us is None or found.admitted_us <= self.to_us)
        )


async def list_executions(views: Views, tenant: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Give one page. Raises Refused (`invalid_input`) for a filter that cannot be read, and LedgerUnavailable."""
    filters = read_filters(query)
    if not filters.any:
        rows = await views.predictions(tenant, filters.offset, filters.limit)
        return _page(filters, rows, await views.prediction_count(tenant), capped=False)
    matched = [found async for found in _scan(views, tenant) if filters.admits(found)]
    capped = await views.prediction_count(tenant) > MOST_SCANNED
    return _page(filters, matched[filters.offset : filters.offset + filters.limit], len(matched), capped=capped)


def read_filters(query: Mapping[str, str]) -> Filters:
    """Read the query string. Raises Refused (`invalid_input`), naming the parameter."""
    statuses = frozenset(word.strip() for word in query.get("status", "").split(",") if word.strip())
    return Filters(
        limit=_whole(query, "limit", 20, 1, 100),
        offset=_whole(query, "offset", 0, 0, 10**9),
        model=query.get("model") or None,
        statuses=statuses,
        from_us=_time(query, "from"),
        to_us=_time(query, "to"),
    )


def status_of(found: Reservation) -> str:
    """Give upstream's word for where a prediction is."""
    return found.status or ("starting" if found.ended_us is None else "success")


async def _scan(views: Views, tenant: str) -> AsyncIterator[Reservation]:
    for offset in range(0, MOST_SCANNED, PAGE):
        page = await views.predictions(tenant, offset, PAGE)
        for found in page:
            yield found
        if len(page) < PAGE:
            return


def _page(filters: Filters, rows: list[Reservation], total: int, *, capped: bool) -> dict[str, Any]:
    return {
        "executions": [_execution(found) for found in rows],
        "total_count": total,
        "total_capped": capped,
        "offset": filters.offset,
        "limit": filters.limit,
    }


def _execution(found: Reservation) -> dict[str, Any]:
    end_us = found.finished_us or found.ended_us
    return {
        "id": found.prediction,
        "model": found.model,
        "requested_model": None,
        "status": status_of(found),
        "workflow_id": None,
        "workflow_execution_id": None,
        "execution_cost": Decimal(found.cost or 0) / UNITS_PER_USD,
        "run_time": Decimal((end_us - found.admitted_us) // 1000) / 1000 if end_us else 0,
        "created_at": instant(found.admitted_us),
        "started_at": instant(found.confirmed_us),
        "completed_at": instant(end_us),
        "output": None,
    }


def _whole(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 10 or not least <= int(text) <= most:
        raise Refused(
            Code.INVALID_INPUT,
            f"{name} is {text[:40]!r}; it must be a whole number from {least} to {most}",
            extra={"parameter": name},
        )
    return int(text)


def _time(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise Refused(
            Code.INVALID_INPUT,
            f"{name} is {text[:40]!r}; it must be a time such as 2026-01-31T23:59:59Z",
            extra={"parameter": name},
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * MICROSECONDS)
