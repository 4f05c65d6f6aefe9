"""The sandbox's own books: what it saw, made and billed, for others to be compared with."""

import base64

from starlette.requests import Request

from gateway.sandbox.answers import JSONAnswer, as_text
from gateway.sandbox.predictions import Prediction
from gateway.sandbox.simulation import Simulation


class Books:
    """GET /sandbox/books."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def show(self, _request: Request) -> JSONAnswer:
        """Everything, as of now."""
        now = self._simulation.settled_now()
        creates = self._simulation.predictions.in_order()
        entries = [_entry(prediction, now) for prediction in creates]
        return JSONAnswer({"now": now, "creates": entries, "totals": self._totals(), "last": self._last()})

    def _totals(self) -> dict[str, object]:
        simulation = self._simulation
        predictions, seen = simulation.predictions, simulation.seen
        return {
            "creates": len(predictions.in_order()),
            "arrived": seen.creates,
            "polls": seen.polls,
            "listings": seen.listings,
            "refused": {str(status): number for status, number in seen.refused.items()},
            "faults": simulation.faults.applied,
            "billed": as_text(predictions.billed),
            "max_in_flight": predictions.peaks,
            "max_creates_in_60_s": simulation.rate.peaks,
        }

    def _last(self) -> dict[str, object]:
        seen = self._simulation.seen
        body = base64.b64encode(seen.last_body).decode()
        return {"headers": seen.last_headers, "body_base64": body}


def _entry(prediction: Prediction, now: float) -> dict[str, object]:
    ending = prediction.ending
    return {
        "id": prediction.id,
        "key": prediction.key,
        "auth_header": prediction.auth_header,
        "model": prediction.model.slug,
        "facts": prediction.model.facts(prediction.input),
        "sync": prediction.sync,
        "requested_model": prediction.requested_model,
        "workflow": prediction.workflow[0] if prediction.workflow else None,
        "status": prediction.status(now),
        "price": as_text(prediction.price),
        "cost": as_text(ending.cost) if ending else "0",
        "created_at": prediction.created_at,
        "ended_at": ending.at if ending else None,
    }
