"""A synchronous run: it holds money and slot for its length, and is settled whatever becomes of its client."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest

from e2e.clients import INPUT, Tenant, Tenants, Upstream, assert_refused, until
from e2e.house import House
from e2e.policies import REMOVER, Policies, budget, limit
from e2e.programs import Sandbox

PRICE = Decimal("0.017")
RUN: dict[str, Any] = {
    "path": "/v1/prediction/run",
    "model": REMOVER,
    "base": {"image_url": INPUT["image_urls"][0]},
}


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.fixed_price(REMOVER, "0.017")
    policies.tenant("single", budget("1.00"), limit("concurrency", max=1))
    for name in ("hasty", "cut", "failing", "plain"):
        policies.tenant(name, budget("1.00"))
    return policies


@pytest.fixture(scope="module")
def sandbox(house: House) -> Sandbox:
    return house.sandbox(seconds=1)


async def settled(client: Tenant, cost: Decimal) -> None:
    """Wait until nothing is held and so much was used."""

    async def ask() -> bool:
        return await client.spent() == (cost, 0)

    await until(ask, 30)


async def test_a_run_holds_its_money_and_its_slot_until_it_answers(tenant: Tenants, upstream: Upstream) -> None:
    single, polls = tenant("single"), (await upstream.books())["totals"]["polls"]
    running = asyncio.ensure_future(single.create(**RUN))

    async def held() -> bool:
        return (await single.spent())[1] == PRICE

    await until(held)
    assert (await single.usage())["concurrency"]["used"] == 1
    assert_refused(await single.create(**RUN), 429, "concurrency_exceeded")
    assert not running.done()
    ran = await running
    assert (ran.status_code, ran.json()["status"], ran.headers["X-Gateway-Cost-USD"]) == (200, "success", "0.017")
    assert await single.spent() == (PRICE, 0)
    assert (await single.usage())["concurrency"]["used"] == 0
    assert (await upstream.books())["totals"]["polls"] <= polls + 1  # its answer tells no cost, one poll does


async def test_a_client_that_hangs_up_does_not_lose_the_settlement_of_its_run(
    tenant: Tenants, upstream: Upstream
) -> None:
    hasty, arrived = tenant("hasty"), await upstream.arrived()
    with pytest.raises(httpx.ReadTimeout):
        await hasty.ask(
            "POST",
            RUN["path"],
            json={"model": RUN["model"], "input": RUN["base"]},
            timeout=httpx.Timeout(5, read=0.3),
        )
    assert await hasty.spent() == (0, PRICE)
    await settled(hasty, PRICE)
    assert await upstream.arrived() == arrived + 1
    (execution,) = await hasty.executions()
    assert execution["status"] == "success"


async def test_runs_whose_answers_are_cut_are_in_doubt_and_found(tenant: Tenants, upstream: Upstream) -> None:
    cut, faults = tenant("cut"), ["cut_after", "mid_answer", "500_after"]
    await upstream.faults(creates=faults)
    bases = [{"image_url": f"https://example.com/{number}.png"} for number in range(len(faults))]
    answers = await asyncio.gather(*(cut.create(**RUN | {"base": base}) for base in bases))
    for answer in answers:
        assert_refused(answer, 504, "upstream_in_doubt")
        reservation = await cut.reservation(answer.headers["X-Gateway-Reservation"])
        assert (reservation["state"], reservation["hold_usd"]) == ("in_doubt", "0.017")
    await settled(cut, 3 * PRICE)


async def test_a_run_that_fails_costs_what_upstream_states(tenant: Tenants, upstream: Upstream) -> None:
    failing = tenant("failing")
    await upstream.faults(costs=["fail:0.002"])
    ran = await failing.create(**RUN)
    assert (ran.status_code, ran.json()["status"], ran.headers["X-Gateway-Cost-USD"]) == (200, "failed", "0.002")
    assert await failing.spent() == (Decimal("0.002"), 0)


async def test_a_model_that_cannot_run_synchronously_is_given_back(tenant: Tenants) -> None:
    plain = tenant("plain")
    answer = await plain.create(path=RUN["path"])
    assert answer.status_code == 400
    assert await plain.spent() == (0, 0)
