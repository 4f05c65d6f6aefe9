"""Clients under simulation: they create, repeat, poll, cancel and hang up, each at its own pace."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from simulation.chaos import Chaos
from simulation.policies import PRICES, SECRETS
from simulation.violation import check
from simulation.webhooks import tenants_address, tenants_secret
from simulation.workers import Worker

#: What a client does next, with weights.
ACTS = {
    "create": 50.0,
    "run": 3.0,
    "repeat": 8.0,
    "poll": 30.0,
    "foreign poll": 2.0,
    "cancel": 5.0,
    "usage": 2.0,
    "quote": 3.0,
}


@dataclass
class Reply:
    """An answer as a client sees it; status 0: it saw none."""

    status: int = 0
    body: bytes = b""


@dataclass
class Clients:
    """All clients of a run, and what they were told."""

    chaos: Chaos
    worker: Callable[[], Worker | None]
    scopes: dict[str, dict[str, Any]] = field(default_factory=dict)
    predictions: list[tuple[str, str, str]] = field(default_factory=list)
    keyed: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    answered: dict[tuple[str, str], str] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)

    async def client(self, pace_s: float) -> None:
        """Act until cancelled."""
        while True:
            await asyncio.sleep(self.chaos.random.expovariate(1 / pace_s))
            await self.act(self.chaos.weighed(ACTS))

    def forget_keys(self) -> None:
        """Use no Idempotency-Key again: the ledger may have forgotten it, and then it would pay twice, as it must."""
        self.keyed.clear()

    async def act(self, act: str) -> None:
        """Do one thing."""
        chance = self.chaos.random
        tenant, key = chance.choice(list(SECRETS))
        model = chance.choice(list(PRICES))
        if act in ("create", "run"):
            path = "/v1/prediction/run" if act == "run" else chance.choice(("/v1/prediction", "/v1/prediction/"))
            idem = f"idem-{len(self.scopes)}" if chance.random() < 0.4 else ""
            if idem:
                self.keyed.append((tenant, key, path, model, idem))
            await self.create(tenant, key, path, model, idem)
        elif act == "repeat" and self.keyed:
            tenant, key, path, first, idem = chance.choice(self.keyed[-20:])
            await self.create(tenant, key, path, first if chance.random() < 0.9 else model, idem)
        elif act == "usage":
            await self.request(tenant, key, "GET", "/gateway/usage")
        elif act == "quote":
            await self.request(tenant, key, "POST", "/gateway/quote", _body(model))
        elif self.predictions:
            owner, secret, prediction = chance.choice(self.predictions[-60:])
            await self.look(act, owner, secret, tenant, prediction)

    async def look(self, act: str, owner: str, key: str, tenant: str, prediction: str) -> None:
        """Poll, or cancel, or try another tenant's prediction."""
        path = f"/v1/prediction/{prediction}"
        if act == "cancel":
            await self.request(owner, key, "POST", f"{path}/cancel", b"{}")
        elif act == "foreign poll" and tenant != owner:
            reply = await self.request(tenant, "web", "GET", path)
            check("fault", reply.status != 200, tenant, "sees", prediction, "of", owner)
        else:
            await self.request(owner, key, "GET", path)

    async def create(self, tenant: str, key: str, path: str, model: str, idem: str) -> None:
        """Create, and remember the prediction; one key of idempotency has one prediction."""
        headers = [(b"idempotency-key", idem.encode())] if idem else []
        body = _body(model, idem, tenants_address(tenant, idem))
        reply = await self.request(tenant, key, "POST", path, body, headers)
        if reply.status != 200:
            return
        prediction = msgspec.json.decode(reply.body)["predictionID"]
        self.predictions.append((tenant, key, prediction))
        if idem:
            first = self.answered.setdefault((tenant, idem), prediction)
            check("repeat", first == prediction, tenant, idem, "gave", first, "and then", prediction)

    async def request(
        self, tenant: str, key: str, method: str, path: str, body: bytes = b"", headers: Any = ()
    ) -> Reply:
        """Send a request to some worker, and perhaps hang up."""
        secret = (b"x-api-key", SECRETS[tenant, key].encode())
        return await self._send(tenant, method, path, body, [secret, *headers])

    async def call(self, path: str, body: bytes) -> int:
        """Call as upstream does when a prediction has ended; gives the status, 0 where nobody answered."""
        return (await self._send("", "POST", path, body, [])).status

    async def _send(self, tenant: str, method: str, path: str, body: bytes, headers: list[Any]) -> Reply:
        worker, reply, id_ = self.worker(), Reply(), f"q{len(self.scopes)}"
        if worker is None:
            return reply
        scope: dict[str, Any] = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"x-request-id", id_.encode()), *headers], "tenant": tenant,
        }  # fmt: skip
        self.scopes[id_] = scope

        gone, bodies = asyncio.Event(), [body]

        async def receive() -> dict[str, Any]:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            reply.status = message.get("status", reply.status)
            reply.body += message.get("body", b"")

        task = worker.serve(scope, receive, send)
        patience = self.chaos.random.uniform(0, 2) if self.chaos.hit("hang up", 0.1) else None
        await asyncio.wait((task,), timeout=patience)
        gone.set()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        if task.cancelled():  # it hung up, or the worker died
            return Reply()
        own = reply.status == 500 and b"internal_error" in reply.body
        check("fault", task.exception() is None and not own, path, reply, task.exception())
        self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
        return reply


def _body(model: str, idem: str = "", webhook_url: str = "") -> bytes:
    """Write a create; what has an Idempotency-Key has an input of its own, the rest is often alike."""
    hook = {"webhook_url": webhook_url, "webhook_secret": tenants_secret(webhook_url)}
    body = {"model": model, "input": {"prompt": f"a cat {idem}"}, **hook}
    return msgspec.json.encode(body)
