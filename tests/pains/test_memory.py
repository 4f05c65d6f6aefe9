"""Memory: what clients send leaves nothing behind."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from itertools import count

import httpx
from e2e.clients import Tenants, until
from e2e.programs import Gateway

WARM, MEASURED, AT_ONCE = 320, 960, 16
#: Measured: some 230, which the allocator keeps once and not again. The smallest thing of a request that is worth
#: keeping, its ASGI scope, is larger.
MOST_BYTES_A_REQUEST = 1024


def resident_bytes(gateway: Gateway) -> int:
    """Add up the resident memory of the workers."""
    words = ["ps", "-o", "rss=", "-p", ",".join(map(str, gateway.workers))]
    return 1024 * sum(map(int, subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()))


async def ends(status: int, ask: Callable[[], Awaitable[httpx.Response]]) -> None:
    """Ask, and ask again where the store of a busy machine was late."""

    async def answered() -> int | None:
        found = (await ask()).status_code
        return found if found != 503 else None

    assert await until(answered) == status


async def test_requests_that_end_in_nothing_leave_no_memory_taken_in_the_workers(
    tenant: Tenants, gateway: Gateway, http: httpx.AsyncClient
) -> None:
    """Slow and leaking: LiteLLM #38193 (40 GiB), #21046. Every request has names of its own: ids, keys, paths."""
    poor, numbers = tenant("poor"), count()

    async def ask() -> None:
        name = f"name-{next(numbers)}"
        await ends(402, lambda: poor.create(headers={"Idempotency-Key": name}, prompt=name))
        await ends(404, lambda: poor.poll(name))
        await ends(401, lambda: http.get(f"{gateway.url}/v1/models", headers={"X-API-Key": f"elg_{name}"}))
        await ends(403, lambda: poor.ask("GET", f"/{name}", headers={"X-Request-Id": name}))

    async def requests(number: int) -> None:
        for _ in range(number // 4 // AT_ONCE):
            await asyncio.gather(*(ask() for _ in range(AT_ONCE)))

    await requests(WARM)
    before = resident_bytes(gateway)
    await requests(MEASURED)
    assert resident_bytes(gateway) - before < MOST_BYTES_A_REQUEST * MEASURED
