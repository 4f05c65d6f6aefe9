"""The probe: looks at the first bytes of input images for their size, at addresses that tenants wrote."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.telemetry import Telemetry
from gateway.upstream.client import NotSent, OutcomeUnknown, Outgoing, Stream, Upstream
from gateway.upstream.headers import Headers
from gateway.upstream.image_header import read_pixels
from gateway.upstream.public import NotPublic

log = logging.getLogger("gateway.probe")

MOST_BYTES = 64 * 1024
#: For all images of a request together, the waiting for a place included.
SECONDS = 2.0
#: Of one request; no model takes more.
MOST_IMAGES = 16
#: Images that are looked at at once: by this process, and of these for one tenant.
MOST_AT_ONCE = 32
MOST_OF_A_TENANT = 8
_HEADERS: Headers = [
    (b"range", b"bytes=0-%d" % (MOST_BYTES - 1)),
    (b"accept", b"image/*"),
    (b"accept-encoding", b"identity"),
]


class ImageProbe:
    """Finds the sizes of images; what cannot be found, or not in time, is None, and never an error.

    `client` must be one that leads to public addresses only. `seconds` bounds one request's images together.
    """

    def __init__(self, client: Upstream, telemetry: Telemetry, seconds: float = SECONDS) -> None:
        self._client = client
        self._telemetry = telemetry
        self._seconds = seconds
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._of_tenant: defaultdict[str, asyncio.Semaphore] = defaultdict(_tenants_places)
        # Hostile bytes may take tens of milliseconds to read, which the event loop does not wait for.
        self._reader = ThreadPoolExecutor(1, "image-header")

    async def pixels(self, tenant: str, urls: Sequence[str]) -> list[int | None]:
        """Give the pixels of each image in turn."""
        by = time.monotonic() + self._seconds
        seen = await asyncio.gather(*(self._one(tenant, url, by) for url in urls[:MOST_IMAGES]))
        return [*seen, *(None for _ in urls[MOST_IMAGES:])]

    def close(self) -> None:
        """Give the thread back."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _one(self, tenant: str, url: str, by: float) -> int | None:
        result, pixels = "failed", None
        try:
            async with asyncio.timeout(by - time.monotonic()), self._of_tenant[tenant], self._places:
                pixels = await self._look(url, by - time.monotonic())
            result = "unknown" if pixels is None else "known"
        except NotPublic as error:
            result = "refused"
            log.info("an input image is not looked at: %s", error)
        except (NotSent, OutcomeUnknown, TimeoutError) as error:
            log.info("an input image could not be looked at: %s", error or "no time was left")
        self._telemetry.image_probes.labels(result).inc()
        return pixels

    async def _look(self, url: str, seconds: float) -> int | None:
        async with self._client.stream(Outgoing("GET", url, _HEADERS, answer_seconds=seconds)) as answer:
            if not _begins_an_image(answer):
                return None
            head = await _head(answer)
        return await asyncio.get_running_loop().run_in_executor(self._reader, read_pixels, head)


def _tenants_places() -> asyncio.Semaphore:
    return asyncio.Semaphore(MOST_OF_A_TENANT)


def _begins_an_image(answer: Stream) -> bool:
    """Tell whether an answer is the beginning of a file, or all of it, as its bytes are."""
    headers = {name.lower(): value.strip().lower() for name, value in answer.headers}
    if headers.get(b"content-encoding", b"identity") != b"identity":
        return False
    return answer.status == 200 or (
        answer.status == 206 and headers.get(b"content-range", b"").startswith(b"bytes 0-")
    )


async def _head(answer: Stream) -> bytes:
    """Read what a header can be, and no more, however much is sent."""
    head = bytearray()
    async for piece in answer.body:
        head += piece
        if len(head) >= MOST_BYTES:
            break
    return bytes(head[:MOST_BYTES])
