"""The catalogue's endpoints; they need no key."""

from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.answers import JSONAnswer, Refused, Shape, read_page
from gateway.sandbox.catalogue import Model
from gateway.sandbox.simulation import Simulation


class Models:
    """Listing and describing models."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def show_all(self, request: Request) -> Response:
        """GET /v1/models: one page of those whose slug or title contains `name`."""
        limit, offset = read_page(request, limit=50, most=500)
        name = request.query_params.get("name", "").lower()
        found = [
            model.published()
            for model in self._simulation.models.values()
            if name in model.slug or name in model.title.lower()
        ]
        return JSONAnswer(found[offset : offset + limit])

    async def show(self, request: Request) -> Response:
        """GET /v1/model?slug=."""
        slug = request.query_params.get("slug", "")
        if not slug:
            raise Refused(400, "slug parameter is required", shape=Shape.PLAIN)
        return JSONAnswer(self._find(slug).published())

    async def show_openapi(self, request: Request) -> Response:
        """GET /v1/models/{slug}/schemas/openapi."""
        return JSONAnswer(_openapi(self._find(request.path_params["slug"])))

    async def show_router_catalogue(self, _request: Request) -> Response:
        """GET /v1/llm-router/model-catalog."""
        return JSONAnswer(_router_catalogue())

    def _find(self, slug: str) -> Model:
        model = self._simulation.models.get(slug)
        if model is None:
            raise Refused(404, "Failed to fetch model: model not found", shape=Shape.PLAIN)
        return model


def _openapi(model: Model) -> dict[str, object]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Input"}}}
    create = {
        "operationId": "createPrediction",
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "Prediction created successfully"}},
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": model.title, "version": "0.0.1"},
        "paths": {"/v1/prediction": {"post": create}},
        "components": {"schemas": {"Input": model.request_schema}},
    }


def _router_catalogue() -> dict[str, object]:
    name = "openai/gpt-5.1"
    model = {"id": name, "status": "visible", "family": "openai", "title": "GPT-5.1"}
    return {
        "slug": "eachlabs-llm-router",
        "source": "catalog",
        "version": 1,
        "updated_at": "2026-05-24",
        "model_enum": [name],
        "request_schema": {"type": "object", "properties": {"model": {"type": "string", "enum": [name]}}},
        "models": [model],
    }
