"""Guarded: the way out to addresses that tenants write, which leads to the public internet only."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from gateway.upstream.public import NotPublic, check_parsed, is_public

#: Gives the IP addresses of a name, best first. Raises OSError.
Resolve = Callable[[str], Awaitable[Sequence[str]]]

#: Names are looked up in threads of their own: a tenant's slow name server must not keep upstream's name waiting.
RESOLVER_THREADS = 8
#: A host with two families of addresses is tried on both; more would only make a dead host slower.
MOST_TRIES = 3


class PublicTransport(httpx.AsyncBaseTransport):
    """Connects to public addresses only, however they are spelled and whatever a name resolves to.

    A name is resolved once a request: every address that it has must be public, and the connection goes to one of
    those very addresses, while TLS verifies the name. A redirect that a client followed would be judged anew.
    Connections are not kept: they would be shared by address, and a certificate was verified for one name.

    `allowed` as in `check_url`; `resolve` in place of the system's resolver; `verify` in place of the public
    certificate authorities. Raises NotPublic, or what httpx raises.
    """

    def __init__(
        self,
        allowed: Collection[str] = (),
        resolve: Resolve | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._allowed = frozenset(allowed)
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, "resolver")
        self._resolve = resolve or self._look_up
        self._direct = httpx.AsyncHTTPTransport(
            verify=verify, trust_env=False, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to an address that was checked."""
        destination = check_parsed(request.url, self._allowed)
        try:
            addresses = await self._resolve(destination.host)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{destination.host} has no address: {error}", request=request) from error
        if destination.authority not in self._allowed and not all(map(is_public, addresses)):
            raise NotPublic(f"{destination.host} has an address that is not public")
        return await self._send(request, destination.host, addresses[:MOST_TRIES])

    async def aclose(self) -> None:
        """Close every connection."""
        await self._direct.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _send(self, request: httpx.Request, name: str, addresses: Sequence[str]) -> httpx.Response:
        """Send to the first of the addresses that takes a connection; nothing was sent to those before it."""
        for address in addresses[:-1]:
            try:
                return await self._direct.handle_async_request(_addressed(request, name, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        if not addresses:
            raise httpx.ConnectError(f"{name} has no address", request=request)
        return await self._direct.handle_async_request(_addressed(request, name, addresses[-1]))

    async def _look_up(self, host: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _addresses, host)


def _addresses(host: str) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def _addressed(request: httpx.Request, name: str, address: str) -> httpx.Request:
    """Address a request to an IP address; its Host header and its TLS name stay those of the URL."""
    url = request.url.copy_with(host=address)
    extensions = {**request.extensions, "sni_hostname": name}
    return httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
