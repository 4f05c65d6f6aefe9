"""Relays: routes that cost nothing upstream and are passed on by the account's key."""

from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import Code, Refused
from gateway.server.exchange import read_body
from gateway.server.outcome import OPERATORS_AFFAIR, unavailable
from gateway.server.parts import Parts
from gateway.upstream.client import NotSent, OutcomeUnknown
from gateway.upstream.eachlabs import Eachlabs
from gateway.upstream.headers import Headers, returned

#: Upstream deletes a file after 365 days at the latest, so its owner need not be known for longer.
FILE_SECONDS = 366 * 86400


class _File(msgspec.Struct):
    id: str = ""


class Passed(NamedTuple):
    """A request as it is passed on; `target` is path and query as the client wrote them."""

    method: str
    target: str
    body: bytes
    headers: Headers
    request_id: str


class Streamed(Response):
    """Upstream's answer, sent on piece by piece while it arrives."""

    def __init__(self, upstream: Eachlabs, passed: Passed) -> None:
        super().__init__()
        self._upstream = upstream
        self._passed = passed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (starlette's form)
        """Open the answer upstream and send it on."""
        try:
            async with self._upstream.stream(*self._passed) as answer:
                if answer.status in OPERATORS_AFFAIR:
                    raise unavailable()
                headers = returned(answer.headers)
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                async for piece in answer.body:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except (NotSent, OutcomeUnknown) as error:
            raise _no_answer(error) from error


class Relays:
    """Handlers of the routes that are passed on."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        """Give the routes for starlette's router."""
        return [
            Route("/v1/models", self.relay, methods=["GET"], name="models"),
            Route("/v1/model", self.relay, methods=["GET"], name="model"),
            Route("/v1/models/{slug}/schemas/openapi", self.relay, methods=["GET"], name="schema"),
            Route("/v1/llm-router/model-catalog", self.relay, methods=["GET"], name="catalog"),
            Route("/v1/upload/presign", self.presign, methods=["POST"], name="presign"),
            Route("/v1/files/{file}", self.delete, methods=["DELETE"], name="file"),
        ]

    async def relay(self, request: Request) -> Response:
        """Pass a request on and stream the answer."""
        principal = self._parts.authenticate(request.scope)
        if request.path_params.get("slug") in (".", ".."):  # which the HTTP client would resolve to another route
            raise Refused(Code.NOT_FOUND, "no such model")
        return Streamed(self._parts.account_of(principal).upstream, await _passed(request))

    async def presign(self, request: Request) -> Response:
        """Pass an upload's request on, and remember whose file it is; the file itself never comes this way."""
        principal = self._parts.authenticate(request.scope)
        account = self._parts.account_of(principal)
        try:
            answer = await account.upstream.fetch(*await _passed(request))
            file = _file_of(answer.body) if answer.status in (200, 201) else ""
            if file:
                await account.views.own_file(file, principal.tenant.id, FILE_SECONDS)
        except (NotSent, OutcomeUnknown) as error:
            raise _no_answer(error) from error
        if answer.status in OPERATORS_AFFAIR:
            raise unavailable()
        response = Response(answer.body, answer.status)
        response.raw_headers = [*returned(answer.headers), (b"content-length", str(len(answer.body)).encode())]
        return response

    async def delete(self, request: Request) -> Response:
        """Delete a file for the tenant that presigned it, and for no other."""
        principal = self._parts.authenticate(request.scope)
        account = self._parts.account_of(principal)
        owner = await account.views.file_owner(request.path_params["file"])
        if owner != principal.tenant.id:
            raise Refused(Code.NOT_FOUND, "no such file; only the tenant that presigned it may delete it")
        return Streamed(account.upstream, await _passed(request))


async def _passed(request: Request) -> Passed:
    body = await read_body(request.scope, request.receive)
    path: bytes = request.scope.get("raw_path") or request.url.path.encode()
    query: bytes = request.scope["query_string"]
    target = (path.partition(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")
    return Passed(request.method, target, body, request.scope["headers"], request.state.request_id)


def _file_of(body: bytes) -> str:
    """Give the id of a presigned file; empty where upstream's answer is not the documented one."""
    try:
        return msgspec.json.decode(body, type=_File).id
    except msgspec.MsgspecError:
        return ""


def _no_answer(error: NotSent | OutcomeUnknown) -> Refused:
    return Refused(Code.UPSTREAM_ERROR, "upstream does not answer just now; ask again", details=str(error))
