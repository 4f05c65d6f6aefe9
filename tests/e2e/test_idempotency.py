"""Idempotency-Key: one prediction, however often it is asked for."""

import asyncio

import httpx
import pytest

from e2e.clients import INPUT, PRICE, Tenant, Tenants, Upstream, assert_refused, until, used
from e2e.house import House
from e2e.policies import KLEIN, REMOVER, Policies, budget
from e2e.programs import Sandbox


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.fixed_price(REMOVER, "0.017")
    for name in ("acme", "other", "crowd", "found"):
        policies.tenant(name, budget("1.00"))
    policies.tenant("poor", budget("0.02"))
    return policies


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def assert_repeats(first: httpx.Response, repeat: httpx.Response) -> None:
    assert (repeat.status_code, repeat.content) == (first.status_code, first.content)
    assert repeat.headers["Content-Type"] == first.headers["Content-Type"]
    assert repeat.headers["X-Gateway-Reservation"] == first.headers["X-Gateway-Reservation"]


async def test_a_repeat_gets_the_first_answer_and_spends_nothing(tenant: Tenants, upstream: Upstream) -> None:
    acme = tenant("acme")
    first = await acme.create(headers=keyed("a"))
    assert first.status_code == 200
    unchanged = await used(acme, upstream)
    for path in ("/v1/prediction", "/v1/prediction/"):
        assert_repeats(first, await acme.create(path=path, headers=keyed("a")))
    await unchanged()
    await acme.settled(first.json()["predictionID"])
    assert_repeats(first, await acme.create(headers=keyed("a")))


async def test_a_run_is_repeated_too(tenant: Tenants, upstream: Upstream) -> None:
    acme, base = tenant("acme"), {"image_url": INPUT["image_urls"][0]}
    fields = {"path": "/v1/prediction/run", "model": REMOVER, "base": base, "headers": keyed("run")}
    first = await acme.create(**fields)
    assert first.status_code == 200
    unchanged = await used(acme, upstream)
    assert_repeats(first, await acme.create(**fields))
    await unchanged()


async def test_another_request_with_the_same_key_is_a_mismatch(tenant: Tenants, upstream: Upstream) -> None:
    acme, body = tenant("acme"), {"model": KLEIN, "input": INPUT}
    await acme.created(headers=keyed("b"))
    unchanged = await used(acme, upstream)
    assert_refused(await acme.create(headers=keyed("b"), prompt="another"), 422, "idempotency_mismatch")
    on_run = await acme.ask("POST", "/v1/prediction/run", json=body, headers=keyed("b"))
    assert_refused(on_run, 422, "idempotency_mismatch")
    await unchanged()


async def test_a_key_of_one_tenant_means_nothing_to_another(tenant: Tenants) -> None:
    mine = await tenant("acme").create(headers=keyed("c"))
    theirs = await tenant("other").create(headers=keyed("c"))
    assert mine.status_code == theirs.status_code == 200
    assert mine.json()["predictionID"] != theirs.json()["predictionID"]


async def test_while_the_first_is_being_sent_a_repeat_is_in_progress(tenant: Tenants, upstream: Upstream) -> None:
    acme, arrived = tenant("acme"), await upstream.arrived()
    await upstream.faults(creates=["slow:1"])
    first = asyncio.ensure_future(acme.create(headers=keyed("d")))

    async def sent() -> bool:
        return await upstream.arrived() == arrived + 1

    await until(sent)
    repeat = await acme.create(headers=keyed("d"))
    assert_refused(repeat, 409, "idempotency_in_progress")
    assert repeat.headers["Retry-After"] == "1"
    assert_repeats(await first, await acme.create(headers=keyed("d")))


async def test_of_twenty_repeats_at_once_one_is_sent(tenant: Tenants, upstream: Upstream) -> None:
    crowd, arrived = tenant("crowd"), await upstream.arrived()
    answers = await asyncio.gather(*(crowd.create(headers=keyed("crowd")) for _ in range(20)))
    admitted = [answer for answer in answers if answer.status_code == 200]
    assert len({answer.content for answer in admitted}) == 1
    for answer in answers:
        if answer.status_code != 200:
            assert_refused(answer, 409, "idempotency_in_progress")
    assert await upstream.arrived() == arrived + 1
    assert sum(await crowd.spent()) == PRICE


async def test_a_refused_attempt_is_not_remembered(tenant: Tenants) -> None:
    poor = tenant("poor")
    assert_refused(await poor.create(headers=keyed("e"), num_images=2), 402, "budget_exceeded")
    assert (await poor.create(headers=keyed("e"))).status_code == 200


@pytest.mark.parametrize(("fault", "status"), [("400", 400), ("429", 429), ("401", 503)])
async def test_a_released_attempt_is_not_remembered(
    tenant: Tenants, upstream: Upstream, fault: str, status: int
) -> None:
    await upstream.faults(creates=[fault])
    assert (await tenant("acme").create(headers=keyed(fault))).status_code == status
    assert (await tenant("acme").create(headers=keyed(fault), prompt="another")).status_code == 200


async def test_a_doubt_is_repeated_as_one_and_answered_with_its_prediction_once_found(
    tenant: Tenants, upstream: Upstream
) -> None:
    found = tenant("found")
    await upstream.faults(creates=["cut_after"])
    first = await found.create(headers=keyed("f"))
    assert_refused(first, 504, "upstream_in_doubt")
    arrived = await upstream.arrived()
    assert_repeats(first, await found.create(headers=keyed("f")))

    async def known() -> list[dict[str, object]]:
        return await found.executions()

    (execution,) = await until(known, 20)
    repeat = await found.create(headers=keyed("f"))
    assert await upstream.arrived() == arrived
    assert repeat.status_code == 200, repeat.text
    assert repeat.json()["predictionID"] == execution["id"]
    assert repeat.headers["X-Gateway-Reservation"] == first.headers["X-Gateway-Reservation"]


async def test_an_answer_is_remembered_over_a_restart(
    house: House, policies: Policies, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    before = house.gateway(policies, sandbox)
    first = await Tenant(http, before, policies.secrets["acme"]).create(headers=keyed("g"))
    before.stop()
    acme = Tenant(http, house.keep(before.again()), policies.secrets["acme"])
    assert_repeats(first, await acme.create(headers=keyed("g"), path="/v1/prediction/"))
    assert sum(await acme.spent()) == PRICE
