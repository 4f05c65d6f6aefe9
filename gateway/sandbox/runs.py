"""Runs: what the routes in OpenAI's style have in common, their faults, their books and the pace of their answers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.sandbox.answers import JSONAnswer
from gateway.sandbox.catalogue import Model
from gateway.sandbox.creates import Creates, read_body, until_ended
from gateway.sandbox.predictions import Prediction
from gateway.sandbox.simulation import Simulation
from gateway.sandbox.transport import cut

_OBJECT: dict[str, object] = {"properties": {}, "required": []}
#: Answers a request of this body; True: with an answer that is cut.
Act = Callable[[Request, bytes, bool], Awaitable[Response]]


class Refusal(Exception):
    """A refusal in OpenAI's envelope."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Chunks(Response):
    """An answer in pieces, as they are made; `cut_after` so many of them the connection is closed."""

    def __init__(
        self, pieces: AsyncIterator[bytes], media_type: str, headers: dict[str, str], cut_after: int | None = None
    ) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]
        self._pieces = pieces
        self._cut_after = cut_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sent = 0
        async for piece in self._pieces:
            if sent == self._cut_after:
                await cut(scope, receive)
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += 1
        await send({"type": "http.response.body", "body": b""})


class Runs:
    """Begins runs and answers for them."""

    def __init__(self, simulation: Simulation, creates: Creates) -> None:
        self._simulation = simulation
        self._creates = creates

    async def answer(self, request: Request, act: Act, most_bytes: int) -> Response:
        """Answer a request, under the fault that is due."""
        simulation = self._simulation
        body = await read_body(request, most_bytes)
        simulation.seen.create(request, body)
        simulation.rate.arrive(simulation.authenticate(request).key, simulation.clock.time())
        fault = simulation.faults.next_request("creates")
        try:
            if fault.name == "mid_answer":
                return await act(request, body, True)
            return await fault.around(lambda: act(request, body, False), simulation.clock)
        except Refusal as refusal:
            simulation.seen.refused[refusal.status] += 1
            error = {"message": str(refusal), "type": refusal.kind, "param": None, "code": None}
            return JSONAnswer({"error": error}, refusal.status)

    def open(
        self, request: Request, slug: str, requested: str | None, given: dict[str, object], cost: Decimal
    ) -> Prediction:
        """Begin a run at a cost, under the limits of a create."""
        model = Model(
            slug=slug,
            title=slug,
            output_type="string",
            request_schema=_OBJECT,
            price=lambda _given, _chance: cost,
        )
        credential = self._simulation.authenticate(request)
        return self._creates.open(request, credential, model, given, requested_model=requested)

    async def paced(self, prediction: Prediction, pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
        """Give the pieces over the time of the run; the last one when it has ended."""
        span = prediction.ends_at - prediction.created_at
        for number, piece in enumerate(pieces[:-1]):
            await self._simulation.clock.sleep_until(prediction.created_at + span * number / len(pieces))
            yield piece
        await until_ended(prediction, self._simulation)
        yield pieces[-1]
