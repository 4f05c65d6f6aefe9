"""The gateway's own routes: quote, usage, reservations, and the tenant's executions from the ledger."""

from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.admission.probing import price_seen
from gateway.admission.reading import read_create
from gateway.domain.errors import Code, Refused
from gateway.domain.instants import instant
from gateway.domain.money import format_usd
from gateway.domain.reservation import Reservation
from gateway.server.exchange import read_body
from gateway.server.executions import list_executions
from gateway.server.parts import Parts

_JSON = msgspec.json.Encoder(decimal_format="number")


class OwnRoutes:
    """Handlers of the rare routes that the gateway answers by itself."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        """Give the routes for starlette's router."""
        return [
            Route("/gateway/healthz", self.health, methods=["GET"], name="health"),
            Route("/gateway/quote", self.quote, methods=["POST"], name="quote"),
            Route("/gateway/usage", self.usage, methods=["GET"], name="usage"),
            Route("/gateway/reservations/{reservation}", self.reservation, methods=["GET"], name="reservation"),
            Route("/v1/executions", self.executions, methods=["GET"], name="executions"),
        ]

    async def health(self, _request: Request) -> Response:
        """Say that the process serves."""
        return json_response({"status": "ok"})

    async def quote(self, request: Request) -> Response:
        """Price a create and tell whether it would be admitted now, by the code that would hold it."""
        principal = self._parts.authenticate(request.scope)
        body = read_create(await read_body(request.scope, request.receive))
        known = self._parts.policy.models.get(body.model)
        body = replace(body, route=known.route if known else body.route)
        admission = self._parts.admission
        quoted = await price_seen(
            self._parts.policy, principal.tenant, body, self._parts.probe, lambda: admission.is_open(principal)
        )
        would, by = await admission.would_admit(principal, quoted)
        return json_response(quoted.as_json() | {"admission": {"would_admit": would, "refused_by": by}})

    async def usage(self, request: Request) -> Response:
        """Tell the present use of every limit that the tenant may see."""
        principal = self._parts.authenticate(request.scope)
        limits = await self._parts.admission.usage(principal)
        return json_response({"tenant": principal.tenant.id, "limits": limits})

    async def reservation(self, request: Request) -> Response:
        """Tell the state of one of the tenant's own reservations."""
        principal = self._parts.authenticate(request.scope)
        found = await self._parts.account_of(principal).views.reservation(request.path_params["reservation"])
        if found is None or found.tenant != principal.tenant.id:
            raise Refused(Code.NOT_FOUND, "no such reservation; check the id and the key it was made with")
        return json_response(_reservation_json(found))

    async def executions(self, request: Request) -> Response:
        """List the tenant's own predictions in upstream's shape; upstream's own list is the whole organisation's."""
        principal = self._parts.authenticate(request.scope)
        views = self._parts.account_of(principal).views
        return json_response(await list_executions(views, principal.tenant.id, request.query_params))


def json_response(value: Any) -> Response:
    """Answer with JSON; a Decimal is written as the number it is, digit by digit."""
    return Response(_JSON.encode(value), media_type="application/json")


def _reservation_json(found: Reservation) -> dict[str, Any]:
    return {
        "id": found.id,
        "state": found.state.value,
        "model": found.model,
        "price_version": found.price_version,
        "estimate_usd": format_usd(found.estimate),
        "hold_usd": format_usd(found.hold),
        "cost_usd": None if found.cost is None else format_usd(found.cost),
        "settled_how": found.how.value if found.how else None,
        "prediction_id": found.prediction,
        "status": found.status,
        "admitted_at": instant(found.admitted_us),
        "confirmed_at": instant(found.confirmed_us),
        "finished_at": instant(found.finished_us),
        "ended_at": instant(found.ended_us),
    }
