"""GET /v1/prediction/{id} and its cancel."""

from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.answers import JSONAnswer, Refused, Shape, as_number
from gateway.sandbox.config import PollShape
from gateway.sandbox.predictions import FAILURE, Prediction
from gateway.sandbox.simulation import Simulation


class Polls:
    """Reading and cancelling one prediction; any key of the organisation may."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def show(self, request: Request) -> Response:
        """The prediction as it is now."""
        self._simulation.seen.polls += 1
        fault = self._simulation.faults.next_request("polls")

        async def act() -> Response:
            return self._show(request)

        return await fault.around(act, self._simulation.clock)

    def _show(self, request: Request) -> Response:
        self._simulation.authenticate(request)
        now = self._simulation.settled_now()
        prediction = self._simulation.predictions.find(request.path_params["id"])
        if prediction is None or prediction.workflow:
            raise Refused(404, "Prediction not found", shape=Shape.PLAIN)
        if self._simulation.config.poll_shape is PollShape.MODEL_PAGE:
            return JSONAnswer(_as_model_page(prediction, now))
        return JSONAnswer(_as_documentation(prediction, now))

    async def cancel(self, request: Request) -> Response:
        """End a running prediction; best effort."""
        self._simulation.authenticate(request)
        now = self._simulation.settled_now()
        prediction = self._simulation.predictions.find(request.path_params["id"])
        if prediction is None:
            raise Refused(500, "Failed to cancel prediction", shape=Shape.PLAIN)
        status, message = "success", "Prediction already finished"
        if prediction.ending is None:
            status, message = "cancelled", "Prediction canceled successfully"
            if self._simulation.config.cancel_works:
                self._simulation.predictions.cancel(prediction, now)
        return JSONAnswer({"status": status, "message": message, "predictionID": prediction.id})


def _as_documentation(prediction: Prediction, now: float) -> dict[str, object]:
    metrics: dict[str, object] = {"predict_time": prediction.run_seconds(now)}
    cost = _read_cost(prediction)
    if cost is not None:
        metrics["cost"] = as_number(cost)
    address = f"{prediction.base_url}/v1/prediction/{prediction.id}"
    body = {
        "id": prediction.id,
        "input": prediction.input,
        "status": prediction.status(now),
        "output": prediction.output(),
        "logs": None,
        "metrics": metrics,
        "urls": {"cancel": f"{address}/cancel", "get": address},
    }
    return body | _reason(prediction)


def _as_model_page(prediction: Prediction, now: float) -> dict[str, object]:
    body = {
        "status": prediction.status(now),
        "predictionID": prediction.id,
        "output": prediction.output(),
        "metrics": {"predict_time": prediction.run_seconds(now)},
    }
    return body | _reason(prediction)


def _reason(prediction: Prediction) -> dict[str, object]:
    if prediction.ending is None or prediction.ending.status != "error":
        return {}
    return {"message": "Prediction failed", "details": FAILURE}


def _read_cost(prediction: Prediction) -> Decimal | None:
    """The cost as this poll reads it; None where it is absent."""
    ending = prediction.ending
    if ending is None:
        return Decimal(0)
    prediction.cost_reads += 1
    if ending.visibility.startswith("absent"):
        return None
    if ending.visibility == "zero" or (ending.visibility == "zero_once" and prediction.cost_reads == 1):
        return Decimal(0)
    return ending.cost
