"""The app: one ASGI callable. Finds the route, times and logs the request, and turns refusals into answers."""

import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.routing import Match, Router
from starlette.types import Message, Receive, Scope, Send

from gateway.domain.errors import Code, Refused
from gateway.ledger.enactment import PolicyBehind
from gateway.ledger.store import LedgerUnavailable
from gateway.server.create import Creates
from gateway.server.exchange import Exchange, RequestHead, encode_headers
from gateway.server.hooks import Hooks
from gateway.server.own import OwnRoutes
from gateway.server.paid_routes import PaidRoutes
from gateway.server.parts import Parts
from gateway.server.poll import Polls
from gateway.server.refusals import STATUS, as_refusal, body_of
from gateway.server.relay import Relays
from gateway.server.reply import Reply, Response
from gateway.server.tally import RequestIds, Tally

faults = logging.getLogger("gateway.app")

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]

_CREATE = frozenset(("/v1/prediction", "/v1/prediction/"))
_RUN = "/v1/prediction/run"
_POLL = "/v1/prediction/"
_CANCEL = "/cancel"
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")


class GatewayApp:
    """Serves every route: create and poll by hand, since they are the hot ones, the rest by starlette's router."""

    def __init__(self, parts: Parts) -> None:
        self._creates = Creates(parts)
        self._polls = Polls(parts)
        self._routes = (
            OwnRoutes(parts).routes() + Relays(parts).routes() + PaidRoutes(parts).routes() + Hooks(parts).routes()
        )
        self._router = Router(routes=self._routes, redirect_slashes=False)
        self._tally = Tally(parts.telemetry, parts.request_log)
        self._ids = RequestIds()

    async def serve(self, scope: Scope, receive: Receive, send: Send, *, last: bool) -> None:
        """Answer one request. Raises PolicyBehind, with nothing answered or changed, unless it is the `last` try."""
        if scope["type"] != "http":
            raise RuntimeError(f"this app serves http and not {scope['type']}")
        begun = time.perf_counter()
        state = self._begin(scope, last=last)
        watched = _Watched(send, _id_header(state))
        route, endpoint = self._find(scope)
        again = False
        try:
            await endpoint(scope, receive, watched)
        except Exception as error:
            again = isinstance(error, PolicyBehind) and not last
            if again:
                raise
            reply = _refusal(error, state)
            if not watched.status:  # else it has begun; the server cuts it, and the client sees that it is not whole
                await Exchange(scope, receive, watched).answer(reply.status, reply.headers, reply.body)
        finally:
            if not again:
                self._tally.add(scope, route, watched.status, time.perf_counter() - begun)

    def at_once(self, scope: Scope) -> Response | Awaitable[Response] | None:
        """Give the answer to a poll, or what will be its answer where a look at the prediction has to be waited for.

        None, with nothing counted, for any other request and for a poll that needs more.
        """
        path = scope["path"]
        if not path.startswith(_POLL) or len(path) == len(_POLL) or scope["method"] != "GET":
            return None
        begun = time.perf_counter()
        state = self._begin(scope, last=True)
        try:
            reply = self._polls.at_once(RequestHead(scope), path[len(_POLL) :])
        except Exception as error:  # noqa: BLE001  # one table says what any error is for the client
            reply = _refusal(error, state)
        if reply is None:
            return None
        return self._respond(scope, reply, begun) if isinstance(reply, Reply) else self._later(scope, reply, begun)

    async def _later(self, scope: Scope, reply: Awaitable[Reply], begun: float) -> Response:
        try:
            return self._respond(scope, await reply, begun)
        except Exception as error:  # noqa: BLE001  # as above
            return self._respond(scope, _refusal(error, scope["state"]), begun)

    def _respond(self, scope: Scope, reply: Reply, begun: float) -> Response:
        self._tally.add(scope, "poll", reply.status, time.perf_counter() - begun)
        return Response(reply, [_id_header(scope["state"])])

    def _begin(self, scope: Scope, *, last: bool) -> dict[str, Any]:
        state = scope["state"] = {"request_id": self._request_id(scope), "facts": {}, "last": last}
        return state

    def _find(self, scope: Scope) -> tuple[str, Endpoint]:
        """Name the route (a closed set, for metrics), and give what answers it."""
        method, path = scope["method"], scope["path"]
        if method == "POST" and path in _CREATE:
            return "create", self._create
        if method == "POST" and path == _RUN:
            return "run", self._create
        if path.startswith(_POLL):
            if method == "GET" and len(path) > len(_POLL):
                return "poll", self._poll
            if method == "POST" and path.endswith(_CANCEL):
                return "cancel", self._cancel
        for route in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                return route.name, self._router
        return "other", _refuse_route

    def _create(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._creates(Exchange(scope, receive, send))

    async def _poll(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._polls.poll(Exchange(scope, receive, send), scope["path"][len(_POLL) :])

    async def _cancel(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._polls.cancel(Exchange(scope, receive, send), scope["path"][len(_POLL) : -len(_CANCEL)])

    def _request_id(self, scope: Scope) -> str:
        """Take the client's own id where it is a plain word; else make one."""
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return str(value.decode("ascii"))
        return self._ids.make()


class _Watched:
    """Passes messages to the server, notes the status and adds the request's id to the head."""

    __slots__ = ("_id_header", "_send", "status")

    def __init__(self, send: Send, id_header: tuple[bytes, bytes]) -> None:
        self._send = send
        self._id_header = id_header
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), self._id_header]
        await self._send(message)


def _id_header(state: dict[str, Any]) -> tuple[bytes, bytes]:
    return (b"x-request-id", state["request_id"].encode("latin-1"))


def _refusal(error: Exception, state: dict[str, Any]) -> Reply:
    """Make the answer of a failure, and put into the log what the client is not told."""
    refused = as_refusal(error)
    state["facts"]["code"] = refused.code.value
    if isinstance(error, LedgerUnavailable):
        faults.warning("request %s: the ledger does not answer: %s", state["request_id"], error)
    elif not isinstance(error, Refused | PolicyBehind):
        faults.error("request %s failed", state["request_id"], exc_info=error)
    headers = encode_headers({"Content-Type": "application/json", **refused.headers})
    return Reply(STATUS[refused.code], headers, body_of(refused))


async def _refuse_route(scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Refused(
        Code.ROUTE_NOT_ALLOWED,
        f"the gateway does not pass {scope['method']} {scope['path'][:200]} on: only routes whose cost it can hold, "
        "and free ones that show a tenant nothing of another",
    )
