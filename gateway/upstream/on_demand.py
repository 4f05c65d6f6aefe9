"""Clients on demand: httpx is loaded when something rare is first asked for.

Many workers never call a tenant's webhook, an alert's address or an input image, and httpx with all that it loads
takes a sixth of the time of a start. So its modules are loaded by name, here and in `public`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from importlib import import_module
from typing import cast

from gateway.upstream.client import Answer, Outgoing, Stream, Upstream


def for_operators() -> Upstream:
    """Give the client for addresses that the operator wrote."""
    return OnDemand(_httpx_client)


def for_tenants(allowed: Collection[str]) -> Upstream:
    """Give the client for addresses that tenants wrote; `allowed` as in `check_url`."""
    return OnDemand(lambda: _httpx_client(import_module("gateway.upstream.guarded").PublicTransport(allowed)))


def _httpx_client(*transport: object) -> Upstream:
    return cast("Upstream", import_module("gateway.upstream.httpx_client").HttpxUpstream(*transport))


class OnDemand:
    """Makes a client by `make`, in a thread, when it is first used; who asks meanwhile waits for it."""

    def __init__(self, make: Callable[[], Upstream]) -> None:
        self._make = make
        self._made: Upstream | None = None
        self._making = asyncio.Lock()

    async def send(self, request: Outgoing) -> Answer:
        """Do what the client does."""
        return await (await self._client()).send(request)

    @asynccontextmanager
    async def stream(self, request: Outgoing) -> AsyncIterator[Stream]:
        """Do what the client does."""
        async with (await self._client()).stream(request) as answer:
            yield answer

    async def aclose(self) -> None:
        """Close the client, if it was ever made."""
        if self._made is not None:
            await self._made.aclose()

    async def _client(self) -> Upstream:
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
        return self._made
