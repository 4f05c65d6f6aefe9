"""The upstream of the benchmark: it keeps the bill, and does with each call what the call's own text says.

It speaks two dialects, so that gateways of either kind can stand in front of it: Eachlabs' predictions and OpenAI's
chat completions. Nothing is left to chance here. Run alone: `python -m benchmarks.accuracy.upstream --port 8099`.
"""

import argparse
import asyncio
import socket
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.accuracy.calls import BILLED, Call, Fault
from gateway.sandbox.transport import Cut, CuttableProtocol


class Prediction(NamedTuple):
    """A prediction that was begun; it ends at once."""

    id: str
    model: str
    input: dict[str, Any]
    created: datetime
    call: Call

    @property
    def status(self) -> str:
        """Upstream's word for how it ended."""
        return "error" if self.call.fault is Fault.FAILED else "success"

    @property
    def cost(self) -> float:
        """What it is billed, as the API writes it: a JSON number."""
        return 0.0 if self.call.fault is Fault.FAILED else float(self.call.usd)


class Upstream:
    """Both dialects over one bill."""

    def __init__(self) -> None:
        self._bill: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._arrived: Counter[tuple[str, int]] = Counter()
        self._predictions: dict[str, Prediction] = {}

    def app(self) -> Starlette:
        """Make the ASGI app."""
        return Starlette(
            routes=[
                Route("/v1/prediction", self.create, methods=["POST"]),
                Route("/v1/prediction/", self.create, methods=["POST"]),
                Route("/v1/prediction/{id}", self.poll),
                Route("/v1/executions", self.executions),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/bill/{tenant}", self.bill),
            ]
        )

    async def create(self, request: Request) -> Response:
        """Begin a prediction."""
        body = await request.json()
        given = body["input"]
        call = Call.parse(given["prompt"], given["num_images"])
        if failure := await self._take(call):
            return failure
        prediction = Prediction(str(uuid.uuid4()), body["model"], given, datetime.now(UTC), call)
        self._predictions[prediction.id] = prediction
        answer = {"status": "success", "message": "Prediction created successfully", "predictionID": prediction.id}
        return _lost(call) or JSONResponse(answer)

    async def poll(self, request: Request) -> Response:
        """Show how a prediction ended."""
        found = self._predictions.get(request.path_params["id"])
        if found is None:
            return JSONResponse({"error": "Prediction not found"}, 404)
        metrics = {"predict_time": 0.0, "cost": found.cost}
        body = {"id": found.id, "input": found.input, "status": found.status, "output": [], "metrics": metrics}
        return JSONResponse(body)

    async def executions(self, request: Request) -> Response:
        """List the predictions, newest first."""
        query = request.query_params
        since, until = (datetime.fromisoformat(query[name]) if name in query else None for name in ("from", "to"))
        found = [
            each
            for each in reversed(self._predictions.values())
            if (since is None or each.created >= since) and (until is None or each.created <= until)
        ]
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 20))
        page = [_summary(each) for each in found[offset : offset + limit]]
        return JSONResponse({"executions": page, "total_count": len(found)})

    async def chat(self, request: Request) -> Response:
        """Answer a chat with as many tokens as were asked for."""
        body = await request.json()
        call = Call.parse(body["messages"][-1]["content"], body["max_tokens"])
        failure = await self._take(call)
        if failure or call.fault is Fault.FAILED:
            return failure or JSONResponse({"error": {"message": "the model failed"}}, 400)
        message = {"role": "assistant", "content": "so be it"}
        usage = {"prompt_tokens": 1, "completion_tokens": call.units, "total_tokens": 1 + call.units}
        choice = {"index": 0, "finish_reason": "length", "message": message}
        answer = {"id": str(uuid.uuid4()), "object": "chat.completion", "created": 1, "model": body["model"]}
        return _lost(call) or JSONResponse(answer | {"choices": [choice], "usage": usage})

    async def bill(self, request: Request) -> Response:
        """Say what a tenant is billed, and how many of its calls came more than once."""
        tenant = request.path_params["tenant"]
        twice = sum(times > 1 for (whose, _), times in self._arrived.items() if whose == tenant)
        return JSONResponse({"usd": str(self._bill[tenant]), "sent_twice": twice})

    async def _take(self, call: Call) -> Response | None:
        """Take a call's time and bill it; gives the answer of one that does not run."""
        self._arrived[call.tenant, call.number] += 1
        await asyncio.sleep(call.delay_ms / 1000)
        if call.fault in BILLED:
            self._bill[call.tenant] += call.usd
        return _not_run(call)


def _not_run(call: Call) -> Response | None:
    if call.fault is Fault.REFUSED:
        return JSONResponse({"error": {"message": "Invalid input"}}, 400)
    if call.fault is Fault.ERROR_BEFORE:
        return JSONResponse({"error": {"message": "internal server error"}}, 500)
    return Cut() if call.fault is Fault.CUT_BEFORE else None


def _lost(call: Call) -> Response | None:
    if call.fault is Fault.ERROR_AFTER:
        return JSONResponse({"error": {"message": "internal server error"}}, 500)
    return Cut() if call.fault is Fault.CUT_AFTER else None


def _summary(prediction: Prediction) -> dict[str, Any]:
    created = prediction.created.isoformat()
    whole = {"id": prediction.id, "model": prediction.model, "status": prediction.status, "created_at": created}
    return whole | {"execution_cost": prediction.cost}


def main() -> None:
    """Serve on a port of this machine until it is stopped."""
    parser = argparse.ArgumentParser(description="the upstream of the accuracy benchmark")
    parser.add_argument("--port", type=int, required=True)
    listener = socket.create_server(("127.0.0.1", parser.parse_args().port), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(Upstream().app(), http=CuttableProtocol, log_config=None, access_log=False)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
