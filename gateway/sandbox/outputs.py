"""GET /output/{name}: a real picture for every image that a prediction made."""

import hashlib
import struct
import zlib

from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.answers import Refused, Shape
from gateway.sandbox.simulation import Simulation

SIDE = 16


class Outputs:
    """Serves pictures, always PNG, whatever format was asked for."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def show(self, request: Request) -> Response:
        """The picture of one output address; it needs no key."""
        self._simulation.settled_now()
        name = request.path_params["name"]
        prediction = self._simulation.predictions.find(name.rpartition("-")[0])
        made = [] if prediction is None else prediction.outputs()
        if not any(address.endswith(f"/{name}") for address in made):
            raise Refused(404, "not found", shape=Shape.PLAIN)
        return Response(png(hashlib.sha256(name.encode()).digest()[:3]), media_type="image/png")


def png(colour: bytes) -> bytes:
    """A square PNG of one colour, given as three bytes of red, green and blue."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    rows = (b"\0" + colour * SIDE) * SIDE
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
