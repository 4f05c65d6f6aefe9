"""Those who speak to the programs: a tenant of the gateway, an operator's scrape, and the sandbox's own books."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families

from e2e.policies import KLEIN
from e2e.programs import Gateway, Sandbox

T = TypeVar("T")
#: One megapixel whatever the size of the input: estimate, hold and bill are all 0.014 USD.
INPUT = {"prompt": "a red hat", "image_urls": ["https://example.com/a.png"], "image_size": "landscape_4_3"}
PRICE = Decimal("0.014")


async def until(ask: Callable[[], Awaitable[T]], seconds: float = 30) -> T:
    """Ask until the answer is true; give it. Fails after so many seconds, with the last answer."""
    give_up = time.monotonic() + seconds
    while not (answer := await ask()):
        assert time.monotonic() < give_up, f"still {answer!r} after {seconds} s"
        await asyncio.sleep(0.05)
    return answer


@dataclass(frozen=True)
class Tenant:
    """A client with the key of a tenant; every method gives the answer as it came."""

    http: httpx.AsyncClient
    gateway: Gateway
    secret: str

    async def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        own = {} if "Authorization" in (headers or {}) else {"X-API-Key": self.secret}
        return await self.http.request(method, self.gateway.url + path, headers=own | (headers or {}), **more)

    async def create(
        self,
        *,
        path: str = "/v1/prediction",
        model: str = KLEIN,
        headers: dict[str, str] | None = None,
        base: dict[str, Any] = INPUT,
        **input: Any,
    ) -> httpx.Response:
        return await self.ask("POST", path, headers=headers, json={"model": model, "input": base | input})

    async def created(self, **fields: Any) -> str:
        """Create and give the id of the prediction."""
        answer = await self.create(**fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["predictionID"]

    async def poll(self, prediction: str) -> httpx.Response:
        return await self.ask("GET", f"/v1/prediction/{prediction}")

    async def settled(self, prediction: str, seconds: float = 30) -> httpx.Response:
        """Poll until the answer names the cost."""

        async def ask() -> httpx.Response | None:
            answer = await self.poll(prediction)
            assert answer.status_code == 200, answer.text
            return answer if "X-Gateway-Cost-USD" in answer.headers else None

        answer = await until(ask, seconds)
        assert answer is not None
        return answer

    async def usage(self) -> dict[str, dict[str, Any]]:
        """The limits by their id."""
        answer = await self.ask("GET", "/gateway/usage")
        assert answer.status_code == 200, answer.text
        return {line["id"]: line for line in answer.json()["limits"]}

    async def spent(self) -> tuple[Decimal, Decimal]:
        """Used and held of the first budget."""
        line = next(line for line in (await self.usage()).values() if line["kind"] == "budget")
        return Decimal(line["used"]), Decimal(line["held"])

    async def reservation(self, id_: str) -> dict[str, Any]:
        answer = await self.ask("GET", f"/gateway/reservations/{id_}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def executions(self) -> list[dict[str, Any]]:
        """Every prediction of the tenant."""
        rows: list[dict[str, Any]] = []
        while True:
            answer = await self.ask("GET", f"/v1/executions?limit=100&offset={len(rows)}")
            assert answer.status_code == 200, answer.text
            rows += answer.json()["executions"]
            if len(rows) >= answer.json()["total_count"]:
                return rows


#: Makes clients of a gateway, each with the key of the tenant that is named.
Tenants = Callable[[str], Tenant]


@dataclass(frozen=True)
class Upstream:
    """The sandbox, as a test sees it."""

    http: httpx.AsyncClient
    sandbox: Sandbox

    async def books(self) -> dict[str, Any]:
        return (await self.http.get(f"{self.sandbox.url}/sandbox/books")).json()

    async def arrived(self) -> int:
        """How many creates reached it, refused ones included."""
        return (await self.books())["totals"]["arrived"]

    async def billed(self) -> Decimal:
        return Decimal((await self.books())["totals"]["billed"])

    async def last(self) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of the last create."""
        last = (await self.books())["last"]
        return [(name, value) for name, value in last["headers"]], base64.b64decode(last["body_base64"])

    async def prediction(self, id_: str) -> dict[str, Any]:
        """A prediction as upstream shows it to any key."""
        answer = await self.http.get(f"{self.sandbox.url}/v1/prediction/{id_}", headers={"X-API-Key": "test"})
        return answer.json()

    async def faults(self, **queues: list[str]) -> None:
        answer = await self.http.post(f"{self.sandbox.url}/sandbox/faults", json=queues)
        assert answer.status_code == 200, answer.text


async def bill(upstream: Upstream) -> dict[str, Any]:
    """The last run in upstream's books."""
    return (await upstream.books())["creates"][-1]


async def quiet(tenant: Tenant) -> Decimal:
    """Wait until nothing is held; gives what was used."""

    async def ask() -> bool:
        return not (await tenant.spent())[1]

    await until(ask, 30)
    return (await tenant.spent())[0]


class Metrics:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """Add up the samples of a name that have these labels."""
        return sum(s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items())

    def values(self) -> set[str]:
        """Every label value of the gateway's own metrics."""
        return {value for s in self.samples for label, value in s.labels.items() if label not in ("le", "version")}


async def scrape(http: httpx.AsyncClient, gateway: Gateway) -> Metrics:
    """Read the metrics."""
    answer = await http.get(f"{gateway.metrics_url}/metrics")
    assert answer.status_code == 200, answer.text
    return Metrics(answer.text)


async def used(tenant: Tenant, upstream: Upstream) -> Callable[[], Awaitable[None]]:
    """Note what is held, used and seen upstream; the result asserts that nothing was added to it.

    It may have become less: a prediction of an earlier test may end meanwhile.
    """
    before, arrived = await tenant.usage(), await upstream.arrived()

    async def unchanged() -> None:
        now = await tenant.usage()
        assert now.keys() == before.keys()
        assert all(_taken(now[each]) <= _taken(before[each]) for each in now), (before, now)
        assert await upstream.arrived() == arrived

    return unchanged


def _taken(line: dict[str, Any]) -> Decimal:
    return Decimal(line["used"]) + Decimal(line["held"])


def assert_refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the shape that every refusal has; give its body."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    body = answer.json()
    assert body["status"] == "error"
    assert body["error"] == body["message"] != ""
    assert isinstance(body["details"], str)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]
    return body
