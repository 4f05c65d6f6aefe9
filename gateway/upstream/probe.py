"""The probe: looks at the first bytes of input images for their size, at addresses that tenants wrote."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

from gateway.telemetry import Telemetry
from gateway.upstream.client import NotSent, OutcomeUnknown, Outgoing, Stream, Upstream
from gateway.upstream.headers import Headers
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
#: Images of a tenant that are looked at in a second, and at once after a pause: nobody is to be flooded through us.
PER_SECOND = 10
BURST = 64
_HEADERS: Headers = [
    (b"range", b"bytes=0-%d" % (MOST_BYTES - 1)),
    (b"accept", b"image/*"),
    (b"accept-encoding", b"identity"),
]


class ImageProbe:
    """Finds the sizes of images; what cannot be found, or not in time, is None, and never an error.

    `client` must be one that leads to public addresses only. `seconds` bounds one request's images together;
    `clock` gives seconds that never run backwards.
    """

    def __init__(
        self,
        client: Upstream,
        telemetry: Telemetry,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._telemetry = telemetry
        self._seconds = seconds
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._clock = clock
        self._of_tenant: defaultdict[str, _Allowance] = defaultdict(lambda: _Allowance(clock()))
        # Hostile bytes may take tens of milliseconds to read, which the event loop does not wait for.
        self._reader = ThreadPoolExecutor(1, "image-header")

    async def pixels(self, tenant: str, urls: Sequence[str]) -> list[int | None]:
        """Give the pixels of each image in turn."""
        allowance = self._of_tenant[tenant]
        begun = self._clock()
        most = allowance.take(min(len(urls), MOST_IMAGES), begun)
        by = begun + self._seconds
        seen = await asyncio.gather(*(self._one(allowance, url, by) for url in urls[:most]))
        return [*seen, *(None for _ in urls[most:])]

    def close(self) -> None:
        """Give the thread back."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _one(self, allowance: "_Allowance", url: str, by: float) -> int | None:
        result, pixels = "failed", None
        try:
            async with asyncio.timeout(by - self._clock()), allowance.places, self._places:
                pixels = await self._look(url, by - self._clock())
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
        return await asyncio.get_running_loop().run_in_executor(self._reader, _pixels, head)


class _Allowance:
    """How much of the probe one tenant may use: places at once, and a bucket that fills as time goes."""

    def __init__(self, now: float) -> None:
        self.places = asyncio.Semaphore(MOST_OF_A_TENANT)
        self._left = float(BURST)
        self._at = now

    def take(self, wanted: int, now: float) -> int:
        """Take so many images, or what is left."""
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND)
        self._at = now
        taken = min(wanted, int(self._left))
        self._left -= taken
        return taken


def _begins_an_image(answer: Stream) -> bool:
    """Tell whether an answer is the beginning of a file, or all of it, as its bytes are."""
    headers = {name: value.strip().lower() for name, value in answer.headers}
    if headers.get(b"content-encoding", b"identity") != b"identity":
        return False
    return answer.status == 200 or (
        answer.status == 206 and headers.get(b"content-range", b"").startswith(b"bytes 0-")
    )


def _pixels(head: bytes) -> int | None:
    # Its reader of images is loaded by the first look, in the thread that looks.
    found: int | None = import_module("gateway.upstream.image_header").read_pixels(head)
    return found


async def _head(answer: Stream) -> bytes:
    """Read what a header can be, and no more, however much is sent."""
    head = bytearray()
    async for piece in answer.body:
        head += piece
        if len(head) >= MOST_BYTES:
            break
    return bytes(head[:MOST_BYTES])
