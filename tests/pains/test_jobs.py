"""An asynchronous job is one cost, however often it is asked after."""

import asyncio
from decimal import Decimal

from e2e.clients import PRICE, Tenants, Upstream


async def test_a_job_that_is_polled_by_everybody_at_once_is_charged_once(tenant: Tenants, upstream: Upstream) -> None:
    """Asynchronous jobs billed wrongly: LiteLLM #25015 (every poll bills again); new-api #4526, #4211."""
    jobs, billed = tenant("jobs"), await upstream.billed()
    before, _ = await jobs.spent()
    prediction = await jobs.created()

    async def poll() -> Decimal:
        return Decimal((await jobs.settled(prediction)).headers["X-Gateway-Cost-USD"])

    # From before its end on, over both workers, and again when all is told: after each cancel a worker looks at the
    # job itself, and not at what it keeps of the end.
    assert set(await asyncio.gather(*(poll() for _ in range(30)))) == {PRICE}
    for _ in range(10):
        await jobs.ask("POST", f"/v1/prediction/{prediction}/cancel")
    assert await poll() == PRICE
    assert await jobs.spent() == (before + PRICE, 0)
    assert await upstream.billed() - billed == PRICE
