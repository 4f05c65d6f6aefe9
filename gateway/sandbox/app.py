"""The application: its routes, and the headers that every answer carries."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.sandbox.answers import JSONAnswer, Refused, answer_refused
from gateway.sandbox.books import Books
from gateway.sandbox.clock import Clock, SystemClock
from gateway.sandbox.completions import Completions
from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.control import Control
from gateway.sandbox.creates import Creates
from gateway.sandbox.executions import Executions
from gateway.sandbox.models import Models
from gateway.sandbox.outputs import Outputs
from gateway.sandbox.polls import Polls
from gateway.sandbox.simulation import Simulation
from gateway.sandbox.transcriptions import Transcriptions
from gateway.sandbox.uploads import Uploads
from gateway.sandbox.webhooks import Deliveries, Webhooks
from gateway.sandbox.workflows import Workflows

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(config: SandboxConfig, *, clock: Clock | None = None) -> Starlette:
    """One sandbox with a state of its own.

    Its Date header comes from `clock`, so the server is to send none. Cutting connections needs
    `transport.CuttableProtocol` as the server's protocol. Raises MemoryInvalid for a file that it cannot use.
    """
    clock = clock or SystemClock(config.clock_offset_seconds)
    simulation = Simulation(config, clock)
    deliveries = Deliveries(simulation)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with deliveries:
            deliveries.resume()
            yield

    app = Starlette(
        routes=_routes(simulation, deliveries),
        middleware=[Middleware(CommonHeaders, clock=clock)],
        exception_handlers={Refused: answer_refused, HTTPException: _answer_unrouted},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


class CommonHeaders:
    """Gives every answer its Date, in the sandbox's own clock, and its X-Request-Id."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = Headers(scope=scope).get("x-request-id") or str(uuid.uuid4())

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Date"] = formatdate(self._clock.time(), usegmt=True)
                headers["X-Request-Id"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _routes(simulation: Simulation, deliveries: Deliveries) -> list[Route]:
    creates, polls = Creates(simulation, deliveries), Polls(simulation)
    models, uploads = Models(simulation), Uploads(simulation)
    webhooks = Webhooks(simulation, deliveries)
    completions, workflows = Completions(simulation, creates), Workflows(simulation, creates)
    return [
        _post("/v1/prediction", creates.create),
        _post("/v1/prediction/", creates.create),
        _post("/v1/prediction/run", creates.run),
        _get("/v1/prediction/{id}", polls.show),
        _post("/v1/prediction/{id}/cancel", polls.cancel),
        _post("/v1/chat/completions", completions.chat),
        _post("/v1/audio/speech", completions.speech),
        _post("/v1/audio/transcriptions", Transcriptions(simulation, creates).transcribe),
        _post("/v1/workflows/trigger/{workflow}/{version}", workflows.trigger),
        _get("/v1/workflows/executions/{execution}", workflows.show),
        _get("/v1/workflows/{workflow}/executions", workflows.show_all),
        _get("/v1/models", models.show_all),
        _get("/v1/model", models.show),
        _get("/v1/models/{slug}/schemas/openapi", models.show_openapi),
        _get("/v1/llm-router/model-catalog", models.show_router_catalogue),
        _get("/v1/executions", Executions(simulation).show),
        _get("/v1/webhooks", webhooks.show_all),
        _get("/v1/webhooks/{execution_id}", webhooks.show),
        _post("/v1/upload/presign", uploads.presign),
        Route("/v1/files/{id}", uploads.delete, methods=["DELETE"]),
        _get("/output/{name}", Outputs(simulation).show),
        _get("/sandbox/books", Books(simulation).show),
        _post("/sandbox/faults", Control(simulation).add_faults),
    ]


def _get(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["GET"])


def _post(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["POST"])


def _answer_unrouted(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONAnswer({"error": error.detail}, error.status_code, error.headers)
