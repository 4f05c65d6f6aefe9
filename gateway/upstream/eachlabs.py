"""Eachlabs: the calls that the gateway makes, each by a chosen key of an account."""

import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from urllib.parse import quote, urlencode

from gateway.policy import Account
from gateway.telemetry import Telemetry
from gateway.upstream.client import Answer, Outgoing, Stream, Upstream
from gateway.upstream.headers import Headers, outgoing

POLL_SECONDS = 10.0
RELAY_SECONDS = 60.0
#: Upstream ends a synchronous run's request after 300 s, and what it then says has to arrive.
RUN_SECONDS = 305.0
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_JSON: Headers = [(b"accept", b"application/json")]


class Eachlabs:
    """One upstream account as the gateway calls it.

    `secrets` is key id → secret; `base_url` overrides the policy's.
    """

    def __init__(
        self,
        account: Account,
        secrets: Mapping[str, str],
        client: Upstream,
        telemetry: Telemetry,
        base_url: str | None = None,
    ) -> None:
        self.account = account
        self._secrets = dict(secrets)
        self._client = client
        self._observed = cache(lambda operation: telemetry.upstream_seconds.labels(operation).note)
        # Of requests that do not pass a client's on, the headers are always the same.
        self._own_headers = cache(lambda key: tuple(self._headers(_JSON, key, "reconciler")))
        self._base = (base_url or account.base_url).rstrip("/")

    def __repr__(self) -> str:
        return f"Eachlabs({self.account.id!r} at {self._base!r})"  # and never a secret

    async def create(
        self,
        path: str,
        body: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        key: str,
        request_id: str,
        send_by: float,
        answer_s: float,
    ) -> Answer:
        """Send a create or a run, once; it is not sent after `send_by`, and answered within `answer_s` seconds.

        Raises NotSent or OutcomeUnknown.
        """
        # Nothing of the request outlives its sending: thousands of runs may wait for minutes.
        with self._timed("run" if path.endswith("/run") else "create"):
            return await self._client.send(
                Outgoing(
                    "POST", self._base + path, self._json_headers(headers, key, request_id), body, answer_s, send_by
                )
            )

    @asynccontextmanager
    async def open(
        self,
        operation: str,
        target: str,
        body: bytes,
        content_type: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        key: str,
        request_id: str,
        send_by: float,
        answer_s: float,
    ) -> AsyncIterator[Stream]:
        """Send what may cost money, once, and hand over the answer while it arrives; otherwise as `create`."""
        typed = [(b"content-type", content_type), (b"accept-encoding", b"identity")]
        plain = [pair for pair in headers if pair[0] not in (b"content-type", b"accept-encoding")]
        sent = self._headers([*typed, *plain], key, request_id)
        with self._timed(operation):
            request = Outgoing("POST", self._base + target, sent, body, answer_s, send_by)
            async with self._client.stream(request) as answer:
                yield answer

    async def workflow_execution(self, execution: str, key: str) -> Answer:
        """Ask for one execution of a workflow. Raises NotSent or OutcomeUnknown."""
        url = f"{self._base}/v1/workflows/executions/{quote(execution, safe='')}"
        return await self._send("poll", Outgoing("GET", url, self._own_headers(key), b"", POLL_SECONDS))

    async def workflow_executions(self, workflow: str, parameters: Mapping[str, str | int], key: str) -> Answer:
        """Read one page of the executions of a workflow. Raises NotSent or OutcomeUnknown."""
        url = f"{self._base}/v1/workflows/{quote(workflow, safe='')}/executions?{urlencode(parameters)}"
        return await self._send("executions", Outgoing("GET", url, self._own_headers(key)))

    async def poll(self, prediction: str, key: str) -> Answer:
        """Ask for a prediction once. Raises NotSent or OutcomeUnknown."""
        plain = prediction if _PLAIN.fullmatch(prediction) else quote(prediction, safe="")
        request = Outgoing("GET", f"{self._base}/v1/prediction/{plain}", self._own_headers(key), b"", POLL_SECONDS)
        return await self._send("poll", request)

    async def cancel(
        self, prediction: str, body: bytes, key: str, headers: Iterable[tuple[bytes, bytes]], request_id: str
    ) -> Answer:
        """Ask upstream to cancel a prediction, once. Raises NotSent or OutcomeUnknown."""
        url = f"{self._base}/v1/prediction/{quote(prediction, safe='')}/cancel"
        request = Outgoing("POST", url, self._headers(headers, key, request_id), body, POLL_SECONDS)
        return await self._send("cancel", request)

    async def executions(self, parameters: Mapping[str, str | int], key: str) -> Answer:
        """Read one page of the organisation's executions. Raises NotSent or OutcomeUnknown."""
        url = f"{self._base}/v1/executions?{urlencode(parameters)}"
        return await self._send("executions", Outgoing("GET", url, self._own_headers(key)))

    async def webhooks(self, parameters: Mapping[str, str | int], key: str) -> Answer:
        """Read one page of the organisation's webhooks, the newest first. Raises NotSent or OutcomeUnknown."""
        url = f"{self._base}/v1/webhooks?{urlencode(parameters)}"
        return await self._send("webhooks", Outgoing("GET", url, self._own_headers(key)))

    async def webhook(self, execution: str, key: str) -> Answer:
        """Ask for the webhook of one execution. Raises NotSent or OutcomeUnknown."""
        url = f"{self._base}/v1/webhooks/{quote(execution, safe='')}"
        request = Outgoing("GET", url, self._own_headers(key), b"", POLL_SECONDS)
        return await self._send("webhooks", request)

    async def fetch(
        self, method: str, target: str, body: bytes, headers: Iterable[tuple[bytes, bytes]], request_id: str
    ) -> Answer:
        """Pass a free request on, and read the whole answer. Raises NotSent or OutcomeUnknown."""
        return await self._send("relay", self._relayed(method, target, body, headers, request_id))

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, body: bytes, headers: Iterable[tuple[bytes, bytes]], request_id: str
    ) -> AsyncIterator[Stream]:
        """Pass a free request on, and hand over the streamed answer. Raises as `fetch` does."""
        with self._timed("relay"):
            async with self._client.stream(self._relayed(method, target, body, headers, request_id)) as answer:
                yield answer

    def _relayed(
        self, method: str, target: str, body: bytes, headers: Iterable[tuple[bytes, bytes]], request_id: str
    ) -> Outgoing:
        """Free requests go by the account's first key, since they take none of its rate or slots."""
        sent = self._headers(headers, self.account.keys[0].id, request_id)
        return Outgoing(method, self._base + target, sent, body, RELAY_SECONDS)

    def _headers(self, headers: Iterable[tuple[bytes, bytes]], key: str, request_id: str) -> Headers:
        # A key that left the policy before this start is not known; its account's others see its predictions too.
        secret = self._secrets.get(key) or self._secrets[self.account.keys[0].id]
        return outgoing(headers, self.account.auth_header, secret, request_id)

    def _json_headers(self, headers: Iterable[tuple[bytes, bytes]], key: str, request_id: str) -> Headers:
        # The body was read as JSON in UTF-8, and must be read as nothing else upstream.
        typed = [(b"content-type", b"application/json"), *[pair for pair in headers if pair[0] != b"content-type"]]
        return self._headers(typed, key, request_id)

    async def _send(self, operation: str, request: Outgoing) -> Answer:
        with self._timed(operation):
            return await self._client.send(request)

    def _timed(self, operation: str) -> "_Timed":
        return _Timed(self._observed(operation))


class _Timed:
    """Tells how many seconds its block took."""

    __slots__ = ("_begun", "_observe")

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._observe(time.perf_counter() - self._begun)
