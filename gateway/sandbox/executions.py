"""GET /v1/executions: every prediction of the organisation, newest first."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.answers import JSONAnswer, Refused, Shape, as_number, as_timestamp, read_page
from gateway.sandbox.predictions import STARTING_SHARE, Prediction
from gateway.sandbox.simulation import Simulation

WINDOW_SECONDS = 90 * 86_400
STATUSES = ("created", "starting", "success", "error")


@dataclass(frozen=True)
class _Filter:
    model: str
    statuses: frozenset[str]
    since: float
    until: float

    def takes(self, prediction: Prediction) -> bool:
        return (
            (not self.model or prediction.model.slug == self.model)
            and (not self.statuses or _status(prediction) in self.statuses)
            and self.since <= prediction.created_at <= self.until
        )


class Executions:
    """The listing."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def show(self, request: Request) -> Response:
        """One page."""
        self._simulation.seen.listings += 1
        fault = self._simulation.faults.next_request("executions")

        async def act() -> Response:
            return self._show(request)

        return await fault.around(act, self._simulation.clock)

    def _show(self, request: Request) -> Response:
        self._simulation.authenticate(request)
        now = self._simulation.settled_now()
        limit, offset = read_page(request, limit=20, most=100)
        wanted = _read_filter(request, now)
        found = [prediction for prediction in self._listed(now) if wanted.takes(prediction)]
        page = found[offset : offset + limit]
        cap = self._simulation.config.executions_count_cap
        # The last page that returns rows knows the exact total.
        capped = len(found) > cap and offset + limit < len(found)
        return JSONAnswer(
            {
                "executions": [_summary(prediction, now) for prediction in page],
                "total_count": cap if capped else len(found),
                "total_capped": capped,
                "offset": offset,
                "limit": limit,
            }
        )

    def _listed(self, now: float) -> list[Prediction]:
        newest_first = reversed(self._simulation.predictions.in_order())
        lag = self._simulation.config.executions_lag_seconds
        return [prediction for prediction in newest_first if prediction.created_at + lag <= now]


def _read_filter(request: Request, now: float) -> _Filter:
    query = request.query_params
    statuses = frozenset(query.get("status", "").split(",")) - {""}
    if not statuses <= set(STATUSES):
        raise Refused(400, f"status must be among {', '.join(STATUSES)}", shape=Shape.PLAIN)
    until = _read_time(request, "to", now)
    since = _read_time(request, "from", until - WINDOW_SECONDS)
    return _Filter(query.get("model", ""), statuses, since, until)


def _read_time(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name)
    if not text:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(400, f"{name} must be RFC 3339", shape=Shape.PLAIN) from error
    if moment.tzinfo is None:
        raise Refused(400, f"{name} must be RFC 3339 with its zone", shape=Shape.PLAIN)
    return moment.timestamp()


def _status(prediction: Prediction) -> str:
    # The listing's own words have none for "processing".
    return "starting" if prediction.ending is None else prediction.ending.status


def _summary(prediction: Prediction, now: float) -> dict[str, object]:
    ending = prediction.ending
    started_at = prediction.created_at + STARTING_SHARE * (prediction.ends_at - prediction.created_at)
    summary: dict[str, object] = {
        "id": f"{prediction.id}-step" if prediction.workflow else prediction.id,
        "model": prediction.model.slug,
        "requested_model": prediction.requested_model,
        "status": _status(prediction),
        "workflow_id": prediction.workflow[0] if prediction.workflow else None,
        "workflow_execution_id": prediction.id if prediction.workflow else None,
        "run_time": prediction.run_seconds(now) if ending else 0,
        "created_at": as_timestamp(prediction.created_at),
        "started_at": as_timestamp(started_at) if started_at <= now else None,
        "completed_at": as_timestamp(ending.at) if ending else None,
        "output": next(iter(prediction.outputs()), None),
    }
    if ending is None or ending.visibility != "absent":
        summary["execution_cost"] = as_number(_cost(prediction))
    return summary


def _cost(prediction: Prediction) -> Decimal:
    ending = prediction.ending
    return Decimal(0) if ending is None or ending.visibility == "zero" else ending.cost
