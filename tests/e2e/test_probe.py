"""Input images looked at before a create is priced, through a running gateway, at a server of the test's own."""

import struct
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from e2e.clients import INPUT, Tenant, Tenants, assert_refused, scrape
from e2e.house import House
from e2e.policies import Policies, budget, limit
from e2e.programs import Gateway, Sandbox

#: What a create without a size is held at: the most it can be, and as large as an image of two megapixels.
BOUND, SEEN = "0.017", "0.015"
UNSIZED = {name: value for name, value in INPUT.items() if name != "image_size"}
#: Public enough for the sandbox; the gateway's guard refuses the port before anything is sent.
NEVER_CONTACTED = "https://8.8.8.8:22/a.png"
UNSEEN = "1 of 1 input images could not be looked at, so that their upper bound is held"


def png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">LLBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">L", 13) + head + struct.pack(">L", zlib.crc32(head)) + bytes(99)


class Images(ThreadingHTTPServer):
    """A server with one image of two megapixels; `asked` are the paths that were asked for, with their ranges."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Images

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Range"]))
        self.send_response(200 if self.path == "/two.png" else 404)
        self.end_headers()
        self.wfile.write(png(1600, 1200) if self.path == "/two.png" else b"none")

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def images() -> Iterator[Images]:
    with Images() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.model = policies.model.replace("probe = false", "probe = true")
    policies.account()
    policies.tenant("acme", budget("1.00"))
    policies.tenant("slow", budget("1.00"), limit("rate", per_minute=1))
    policies.tenant("small", budget("1.00"), guards=[{"parameter": "megapixels", "max": 2}])
    return policies


@pytest.fixture(scope="module")
def gateway(house: House, policies: Policies, sandbox: Sandbox, images: Images) -> Gateway:
    return house.gateway(policies, sandbox, private_destinations=images.url.removeprefix("http://"))


async def quote(tenant: Tenant, image: str, **more: Any) -> dict[str, Any]:
    body = {"model": "flux-2-klein-4b-base-edit", "input": UNSIZED | {"image_urls": [image]} | more}
    answer = await tenant.ask("POST", "/gateway/quote", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_create_without_a_size_is_held_at_that_of_its_image(tenant: Tenants, images: Images) -> None:
    acme, image = tenant("acme"), f"{images.url}/two.png"
    quoted = await quote(acme, image)
    assert (quoted["estimate_usd"], quoted["hold_usd"]) == ("0.014", SEEN)
    assert ["as large as the input image" in text for text in quoted["assumptions"]] == [True]
    # The sandbox takes public addresses only, and so refuses this create; what was held is told with its answer.
    answer = await acme.create(base=UNSIZED, image_urls=[image])
    assert (answer.status_code, answer.headers["X-Gateway-Hold-USD"]) == (400, SEEN)
    assert images.asked == [("/two.png", "bytes=0-65535")] * 2


async def test_what_cannot_be_seen_is_held_at_the_upper_bound_and_said(
    tenant: Tenants, images: Images, gateway: Gateway, http: httpx.AsyncClient
) -> None:
    acme, asked = tenant("acme"), len(images.asked)
    inside = gateway.metrics_url.replace("http://", "https://")
    for image in (
        f"{images.url}/none.png",
        f"{gateway.metrics_url}/metrics",
        inside,
        "https://169.254.169.254/x.png",
    ):
        quoted = await quote(acme, image)
        assert (quoted["hold_usd"], quoted["assumptions"][-1]) == (BOUND, UNSEEN)
    assert len(images.asked) == asked + 1
    counted = (await scrape(http, gateway)).sum
    assert counted("gateway_image_probes_total", result="refused") == 3
    assert counted("gateway_image_probes_total", result="unknown") == 1


async def test_nobody_looks_where_the_request_states_its_size(tenant: Tenants, images: Images) -> None:
    asked = len(images.asked)
    quoted = await quote(tenant("acme"), f"{images.url}/two.png", image_size="square")
    assert (quoted["hold_usd"], quoted["assumptions"], len(images.asked)) == ("0.014", [], asked)


async def test_a_guard_judges_what_was_seen(tenant: Tenants, images: Images) -> None:
    small = tenant("small")
    assert (await quote(small, f"{images.url}/two.png"))["hold_usd"] == SEEN
    answer = await small.create(base=UNSIZED, image_urls=[f"{images.url}/none.png"])
    assert_refused(answer, 403, "parameter_not_allowed")


async def test_nobody_looks_for_a_create_that_is_over_its_rate_or_repeated(
    tenant: Tenants, images: Images, gateway: Gateway, http: httpx.AsyncClient
) -> None:
    async def looks() -> float:
        return (await scrape(http, gateway)).sum("gateway_image_probes_total")

    slow, key, before = tenant("slow"), {"Idempotency-Key": "once"}, await looks()
    first = await slow.create(base=UNSIZED, image_urls=[NEVER_CONTACTED], headers=key)
    assert (first.status_code, first.headers["X-Gateway-Hold-USD"]) == (200, BOUND)
    answer = await slow.create(base=UNSIZED, image_urls=[f"{images.url}/two.png"])
    assert_refused(answer, 429, "rate_exceeded")
    repeated = await slow.create(base=UNSIZED, image_urls=[NEVER_CONTACTED], headers=key)
    assert repeated.json() == first.json()
    assert await looks() == before + 1
