"""Presigned uploads: addresses only, since their bytes never pass this API."""

import uuid
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.answers import JSONAnswer, Refused, Shape, as_timestamp
from gateway.sandbox.creates import read_body
from gateway.sandbox.simulation import Simulation

DEFAULT_SECONDS, LEAST_SECONDS, MOST_SECONDS = 180 * 86_400, 60, 365 * 86_400
# A name that never resolves: model inputs must be HTTPS, which the sandbox does not speak.
STORAGE = "https://files.sandbox.invalid/uploads"


class PresignBody(msgspec.Struct, frozen=True):
    """The body of a presign."""

    content_type: str
    file_type: Literal["image", "video", "audio", "other"] = "other"
    expires_in_seconds: int = DEFAULT_SECONDS


class Uploads:
    """POST /v1/upload/presign and DELETE /v1/files/{uuid}."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._ids: set[str] = set()

    async def presign(self, request: Request) -> Response:
        """Give out an address to upload to, and one to read from."""
        self._simulation.authenticate(request)
        body = _parse(await read_body(request, self._simulation.config.body_limit_bytes))
        seconds = min(max(body.expires_in_seconds, LEAST_SECONDS), MOST_SECONDS)
        file_id = str(uuid.uuid4())
        self._ids.add(file_id)
        address = f"{STORAGE}/{file_id}.{body.content_type.rpartition('/')[2]}"
        return JSONAnswer(
            {
                "id": file_id,
                "presigned_url": f"{address}?X-Amz-Signature=sandbox",
                "public_url": address,
                "expires_at": as_timestamp(self._simulation.clock.time() + seconds),
                "required_headers": {"x-amz-meta-file-id": file_id},
            }
        )

    async def delete(self, request: Request) -> Response:
        """Forget a file; once more is fine."""
        self._simulation.authenticate(request)
        file_id = request.path_params["id"]
        try:
            uuid.UUID(file_id)
        except ValueError as error:
            raise Refused(400, "invalid file id", shape=Shape.PLAIN) from error
        if file_id not in self._ids:
            raise Refused(404, "file not found", shape=Shape.PLAIN)
        return Response(status_code=204)


def _parse(raw: bytes) -> PresignBody:
    try:
        return msgspec.json.decode(raw, type=PresignBody)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(400, "invalid request body", shape=Shape.PLAIN) from error
