"""Hooks: where upstream calls when a prediction has ended, at an address that was made for its create."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.domain.address import PATH
from gateway.domain.errors import Code, Refused
from gateway.server.exchange import read_body
from gateway.server.own import json_response
from gateway.server.parts import AccountParts, Parts
from gateway.settlement.arrivals import Arrival


class Hooks:
    """Takes upstream's webhooks; the address is their only credential."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        """Give the route for starlette's router."""
        return [Route(PATH + "{token}", self.arrive, methods=["POST"], name="hook")]

    async def arrive(self, request: Request) -> Response:
        """Answer 200 once what the call tells of is durable; anything else makes upstream call again.

        Raises Refused, and LedgerUnavailable for a 503.
        """
        account, reservation = self._find(request.path_params["token"])
        request.state.facts.update(reservation=reservation)
        body = await read_body(request.scope, request.receive)
        # A caller that hangs up changes nothing: what was begun is recorded.
        arriving = self._parts.recorder.keep(account.arrivals.arrive(reservation, body))
        arrival: Arrival = await asyncio.shield(arriving)
        self._parts.telemetry.webhooks_received.labels(arrival).inc()
        if arrival is Arrival.EARLY:
            raise _early()
        if arrival in (Arrival.FOREIGN, Arrival.UNKNOWN):
            raise _nowhere()
        return json_response({"status": "ok"})

    def _find(self, token: str) -> tuple[AccountParts, str]:
        """Find what a token names, without any I/O. Raises Refused for one that was not made here."""
        for id_, account in self._parts.accounts.items():
            reservation = self._parts.addresses.reservation(id_, token)
            if reservation is not None:
                return account, reservation
        self._parts.telemetry.webhooks_received.labels(Arrival.FORGED).inc()
        raise _nowhere()


def _nowhere() -> Refused:
    """Answer the same for an address that was never given and for a body that does not belong to it."""
    return Refused(Code.NOT_FOUND, "no such address, or not one for this prediction")


def _early() -> Refused:
    return Refused(
        Code.UPSTREAM_ERROR, "upstream does not confirm this end yet; call again", headers={"Retry-After": "10"}
    )
