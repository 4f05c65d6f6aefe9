"""POST /v1/workflows/trigger and the executions that it begins."""

from decimal import Decimal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.answers import JSONAnswer, Refused, Shape, as_number, as_timestamp, read_page
from gateway.sandbox.catalogue import Model
from gateway.sandbox.creates import Creates, read_body
from gateway.sandbox.predictions import Prediction
from gateway.sandbox.simulation import Simulation

#: What an execution of each workflow costs in the end, in US dollars.
COSTS = {"wf_caption": "0.05", "wf_video": "0.21"}
STATUSES = {"success": "completed", "error": "failed", "cancelled": "cancelled"}


class Workflows:
    """Triggers, and what became of them. Of its steps a workflow has one, which /v1/executions lists."""

    def __init__(self, simulation: Simulation, creates: Creates) -> None:
        self._simulation = simulation
        self._creates = creates

    async def trigger(self, request: Request) -> Response:
        """Queue one execution."""
        simulation = self._simulation
        body = await read_body(request, simulation.config.body_limit_bytes)
        simulation.seen.create(request, body)
        simulation.rate.arrive(simulation.authenticate(request).key, simulation.clock.time())
        fault = simulation.faults.next_request("creates")

        async def act() -> Response:
            return self._trigger(request, body)

        return await fault.around(act, simulation.clock)

    def _trigger(self, request: Request, raw: bytes) -> Response:
        workflow, version = request.path_params["workflow"], request.path_params["version"]
        if workflow not in COSTS:
            raise Refused(404, "Workflow not found", workflow, shape=Shape.PAGE)
        try:
            given = msgspec.json.decode(raw or b"{}", type=dict[str, object])
        except msgspec.DecodeError as error:
            raise Refused(400, "invalid request body", str(error), shape=Shape.PAGE) from error
        model = Model(
            slug="flux-2-klein-4b-base-edit",
            title="its only step",
            output_type="string",
            request_schema={"properties": {}, "required": []},
            price=lambda _given, _chance: Decimal(COSTS[workflow]),
        )
        credential = self._simulation.authenticate(request)
        prediction = self._creates.open(request, credential, model, given, workflow=(workflow, version))
        return JSONAnswer({"execution_id": prediction.id, "status": "queued"}, 202)

    async def show(self, request: Request) -> Response:
        """One execution."""
        self._simulation.seen.polls += 1
        self._simulation.authenticate(request)
        self._simulation.settled_now()
        found = self._simulation.predictions.find(request.path_params["execution"])
        if found is None or found.workflow is None:
            raise Refused(404, "Execution not found", shape=Shape.PLAIN)
        detail = {"workflow_id": found.workflow[0], **_times(found), "inputs": found.input.get("inputs", {})}
        if found.ending is not None and found.ending.visibility == "shown":
            detail |= {"total_cost": as_number(found.ending.cost), "output": "made"}
        return JSONAnswer(detail)

    async def show_all(self, request: Request) -> Response:
        """The executions of one workflow, the newest first."""
        self._simulation.seen.listings += 1
        self._simulation.authenticate(request)
        self._simulation.settled_now()
        limit, offset = read_page(request, limit=50, most=100)
        wanted = request.path_params["workflow"]
        newest = reversed(self._simulation.predictions.in_order())
        found = [each for each in newest if each.workflow and each.workflow[0] == wanted]
        rows = [
            {"flow_id": wanted, "flow_name": wanted, "created_at": as_timestamp(each.created_at), **_times(each)}
            for each in found[offset : offset + limit]
        ]
        return JSONAnswer({"executions": rows, "limit": limit, "total_count": len(found)})


def _times(found: Prediction) -> dict[str, object]:
    ending = found.ending
    return {
        "execution_id": found.id,
        "version_id": found.workflow[1] if found.workflow else "",
        "status": "running" if ending is None else STATUSES[ending.status],
        "started_at": as_timestamp(found.created_at),
    }
