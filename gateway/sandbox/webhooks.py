"""Webhooks: their delivery when a prediction ends, and the history of it."""

import asyncio
from dataclasses import dataclass, field
from typing import Self

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.answers import JSONAnswer, Refused, Shape, as_timestamp, read_page
from gateway.sandbox.predictions import FAILURE, Prediction
from gateway.sandbox.simulation import Simulation

ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try to deliver."""

    created_at: float
    status_code: int | None = None
    response: str | None = None
    error_message: str | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the receiver took it: any 2xx."""
        return self.status_code is not None and 200 <= self.status_code < 300

    def shown(self) -> dict[str, object]:
        """The attempt as the API shows it."""
        return {
            "status": "SUCCESS" if self.acknowledged else "FAILED",
            "status_code": self.status_code,
            "response": self.response,
            "error_message": self.error_message,
            "created_at": as_timestamp(self.created_at),
        }


@dataclass(kw_only=True)
class Webhook:
    """One delivery with its attempts."""

    execution_id: str
    url: str
    request: bytes
    headers: dict[str, str]
    created_at: float
    attempts: list[Attempt] = field(default_factory=list)

    def shown(self) -> dict[str, object]:
        """The webhook as the listing shows it, without attempts."""
        return {
            "execution_id": self.execution_id,
            "url": self.url,
            "request": self.request.decode(),
            "headers": self.headers,
            "source": "api-gateway",
            "created_at": as_timestamp(self.created_at),
        }


class Deliveries:
    """Delivers in the background for as long as its context is entered."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None
        self.history: dict[str, Webhook] = {}
        """What was or is being delivered, by execution, oldest first."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def expect(self, prediction: Prediction) -> None:
        """Deliver once this prediction ends, if it names an address."""
        if prediction.webhook_url:
            task = asyncio.create_task(self._follow(prediction))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def resume(self) -> None:
        """Deliver also for what still ran when an earlier sandbox on the same memory stopped."""
        for prediction in self._simulation.predictions.in_order():
            if prediction.ending is None:
                self.expect(prediction)

    async def _follow(self, prediction: Prediction) -> None:
        await self._simulation.clock.sleep_until(prediction.ends_at)
        self._simulation.settled_now()
        if prediction.ending is None or prediction.ending.status == "cancelled":
            return
        fault, _, number = self._simulation.faults.next_name("webhooks").partition(":")
        copies = int(number) if fault == "copies" else {"lost": 0, "duplicate": 2}.get(fault, 1)
        if fault == "delay":
            await self._simulation.clock.sleep_until(prediction.ends_at + float(number))
        if copies:
            await self._send(_webhook(prediction), copies, arrives=fault != "dropped")

    async def _send(self, webhook: Webhook, copies: int, *, arrives: bool) -> None:
        self.history[webhook.execution_id] = webhook
        if not arrives:
            webhook.attempts += [Attempt(created_at=webhook.created_at, error_message="dropped")] * ATTEMPTS
            return
        await self._deliver(webhook)
        for _ in range(copies - 1):
            await self._attempt(webhook)

    async def _deliver(self, webhook: Webhook) -> None:
        clock, pause = self._simulation.clock, self._simulation.config.webhook_retry_seconds
        for number in range(ATTEMPTS):
            if number:
                await clock.sleep_until(clock.time() + pause)
            if await self._attempt(webhook):
                return

    async def _attempt(self, webhook: Webhook) -> bool:
        now = self._simulation.clock.time()
        try:
            answer = await self._open_client().post(webhook.url, content=webhook.request, headers=webhook.headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            webhook.attempts.append(Attempt(created_at=now, error_message=reason))
            return False
        attempt = Attempt(created_at=now, status_code=answer.status_code, response=answer.text)
        webhook.attempts.append(attempt)
        return attempt.acknowledged

    def _open_client(self) -> httpx.AsyncClient:
        # Only when needed: its TLS context takes a tenth of a second, and most sandboxes send nothing.
        if self._client is None:
            timeout = self._simulation.config.webhook_timeout_seconds
            # No proxy of the machine's environment stands between a sandbox and its receivers.
            self._client = httpx.AsyncClient(timeout=timeout, trust_env=False)
        return self._client


class Webhooks:
    """GET /v1/webhooks and /v1/webhooks/{execution_id}: the organisation's delivery history."""

    def __init__(self, simulation: Simulation, deliveries: Deliveries) -> None:
        self._simulation = simulation
        self._deliveries = deliveries

    async def show_all(self, request: Request) -> Response:
        """One page, newest first."""

        async def act() -> Response:
            return self._page(request)

        return await self._simulation.faults.next_request("history").around(act, self._simulation.clock)

    async def show(self, request: Request) -> Response:
        """One webhook with its attempts."""

        async def act() -> Response:
            return self._one(request)

        return await self._simulation.faults.next_request("history").around(act, self._simulation.clock)

    def _page(self, request: Request) -> Response:
        self._simulation.authenticate(request)
        limit, offset = read_page(request, limit=50, most=100)
        found = list(reversed(self._deliveries.history.values()))
        page = [webhook.shown() for webhook in found[offset : offset + limit]]
        return JSONAnswer({"webhooks": page, "limit": limit, "offset": offset, "total_count": len(found)})

    def _one(self, request: Request) -> Response:
        self._simulation.authenticate(request)
        webhook = self._deliveries.history.get(request.path_params["execution_id"])
        if webhook is None:
            raise Refused(404, "Webhook not found", shape=Shape.PLAIN)
        return JSONAnswer(webhook.shown() | {"attempts": [attempt.shown() for attempt in webhook.attempts]})


def _webhook(prediction: Prediction) -> Webhook:
    ending = prediction.ending
    if ending is None:
        raise ValueError(f"{prediction.id} has not ended")
    failed = ending.status == "error"
    body = {
        "exec_id": prediction.id,
        "status": "failed" if failed else "succeeded",
        "output": [{"error": FAILURE}] if failed else prediction.output(),
        "error": FAILURE if failed else "",
        "flow_id": None,
    }
    headers = {"Content-Type": "application/json"}
    if prediction.webhook_secret:
        headers["X-Webhook-Secret"] = prediction.webhook_secret
    return Webhook(
        execution_id=prediction.id,
        url=prediction.webhook_url,
        request=msgspec.json.encode(body),
        headers=headers,
        created_at=ending.at,
    )
