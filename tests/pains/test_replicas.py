"""A budget is one, over however many replicas."""

import asyncio
from pathlib import Path

import httpx
import pytest
from e2e.clients import PRICE, Tenant, Upstream, assert_refused, until
from e2e.house import House
from e2e.programs import Gateway

from gateway.ledger.data_dir import DataDir

CROWD, ADMITTED = 40, 7


@pytest.fixture
def replica(house: House, gateway: Gateway) -> Gateway:
    """Another gateway on the policies and the store of the first, with a data directory of its own."""
    words = dict(zip(gateway.words[1::2], gateway.words[2::2], strict=True))
    words |= {"--redis-url": DataDir.at(Path(words["--data-dir"])).url, "--workers": "1"}
    words["--data-dir"] += "-of-the-replica"
    log = gateway.log.with_name("replica")
    return house.keep(Gateway([word for pair in words.items() for word in pair], log, gateway.secrets))


async def test_two_gateways_on_one_store_admit_together_what_one_would(
    gateway: Gateway, replica: Gateway, upstream: Upstream, http: httpx.AsyncClient
) -> None:
    """Budgets per replica: Bifrost #3547 (N replicas, N times the cap); LiteLLM #25374."""
    one, other = (Tenant(http, each, each.secrets["replicas"]) for each in (gateway, replica))
    billed = await upstream.billed()
    answers = await asyncio.gather(*(tenant.create() for tenant in (one, other) for _ in range(CROWD // 2)))
    # On a busy machine a create may be refused because the store is late; what it held comes back.
    admitted = [answer.json()["predictionID"] for answer in answers if answer.status_code == 200]
    assert len(admitted) <= ADMITTED

    async def all_spent() -> bool:
        more = await other.create()
        admitted.extend([more.json()["predictionID"]] if more.status_code == 200 else [])
        return len(admitted) == ADMITTED

    await until(all_spent)
    for tenant in (one, other):
        assert_refused(await tenant.create(), 402, "budget_exceeded")
        # Each knows every prediction, whichever admitted it.
        await asyncio.gather(*(tenant.settled(prediction) for prediction in admitted))
        assert await tenant.spent() == (PRICE * ADMITTED, 0)
    assert await upstream.billed() - billed == PRICE * ADMITTED
    await asyncio.to_thread(replica.stop)
