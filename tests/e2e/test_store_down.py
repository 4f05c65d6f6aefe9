"""The store stands still or dies: nothing that costs money is sent, and all goes on by itself afterwards."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from e2e.clients import PRICE, Tenants, Upstream, assert_refused, scrape, until
from e2e.house import House
from e2e.policies import Policies, budget
from e2e.programs import Gateway, Sandbox


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.tenant("acme", budget("1.00"))
    policies.tenant("other", budget("1.00"))
    return policies


@pytest.fixture(scope="module")
def gateway(house: House, policies: Policies, sandbox: Sandbox) -> Gateway:
    return house.gateway(policies, sandbox, workers=2)


@pytest.fixture
async def still(gateway: Gateway) -> AsyncIterator[Callable[[], None]]:
    """Stop the store in the middle of what it does; the fixture's value lets it go on."""
    pid = gateway.store
    os.kill(pid, signal.SIGSTOP)
    yield lambda: os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)


@pytest.fixture
async def known(tenant: Tenants) -> str:
    """A prediction from before the store stopped."""
    return await tenant("acme").created()


async def test_with_the_store_down_creates_are_refused_polls_go_on_and_it_recovers_by_itself(
    tenant: Tenants,
    upstream: Upstream,
    http: httpx.AsyncClient,
    gateway: Gateway,
    known: str,
    still: Callable[[], None],
) -> None:
    acme, arrived = tenant("acme"), await upstream.arrived()
    for answer in [await acme.create(), *await asyncio.gather(*(acme.create() for _ in range(20)))]:
        assert_refused(answer, 503, "ledger_unavailable")
        assert answer.elapsed.total_seconds() < 3
        assert int(answer.headers["Retry-After"]) >= 1
    assert await upstream.arrived() == arrived
    refused = [acme.poll("unknown-id")] + [acme.ask("GET", path) for path in ("/gateway/usage", "/v1/executions")]
    for answer in await asyncio.gather(*refused):
        assert_refused(answer, 503, "ledger_unavailable")
    polled = await acme.poll(known)
    assert (polled.status_code, polled.json()["status"]) == (200, "success")
    assert polled.elapsed.total_seconds() < 3
    assert_refused(await tenant("other").poll(known), 404, "not_found")
    answering = [acme.ask("GET", "/v1/models"), acme.ask("GET", "/gateway/healthz")]
    answering += [http.get(gateway.metrics_url + path) for path in ("/healthz", "/readyz")]
    assert [answer.status_code for answer in await asyncio.gather(*answering)] == [200, 200, 200, 503]
    assert (await scrape(http, gateway)).sum("gateway_ledger_up") == 0

    still()

    async def admitted() -> str:
        answer = await acme.create()
        return answer.json()["predictionID"] if answer.status_code == 200 else ""

    admitted_id = await until(admitted)
    assert (await http.get(f"{gateway.metrics_url}/readyz")).status_code == 200
    assert (await scrape(http, gateway)).sum("gateway_ledger_up") == 1
    for prediction in (known, admitted_id):
        assert (await acme.settled(prediction)).headers["X-Gateway-Cost-USD"] == "0.014"

    # Nor does anything stay held for the creates that were refused: what reached the store late is given back.
    async def nothing_held() -> bool:
        return await acme.spent() == (PRICE * 2, 0)

    await until(nothing_held, 20)
    assert await upstream.billed() == PRICE * 2


async def test_what_one_worker_created_the_others_poll_while_the_store_is_down(
    tenant: Tenants, http: httpx.AsyncClient, gateway: Gateway, still: Callable[[], None]
) -> None:
    """One worker stands still while the other creates, and the other way round when it is polled."""
    http.headers["Connection"] = "close"  # so that whichever worker runs takes the next request
    first, second = gateway.workers
    acme = tenant("acme")
    still()
    with standing_still(second):
        known = await acme.created()
    os.kill(gateway.store, signal.SIGSTOP)
    with standing_still(first):
        assert (await acme.poll(known)).status_code == 200
        assert_refused(await tenant("other").poll(known), 404, "not_found")
        assert_refused(await acme.create(), 503, "ledger_unavailable")
    os.kill(first, signal.SIGKILL)
    os.kill(second, signal.SIGKILL)

    async def polled_by_a_new_worker() -> bool:
        return bool(set(gateway.workers) - {first, second}) and (await acme.poll(known)).status_code == 200

    await until(polled_by_a_new_worker)
    still()
    await acme.settled(known)


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_store_that_dies_is_started_again_and_has_lost_nothing(
    tenant: Tenants, upstream: Upstream, gateway: Gateway
) -> None:
    other = tenant("other")
    predictions = [await other.created() for _ in range(5)]
    os.kill(gateway.store, signal.SIGKILL)

    async def admitted() -> bool:
        answer = await other.create()
        if answer.status_code != 200:
            assert_refused(answer, 503, "ledger_unavailable")
        return answer.status_code == 200

    await until(admitted)
    assert sum(await other.spent()) == PRICE * 6
    assert {row["id"] for row in await other.executions()} > set(predictions)
    for prediction in predictions:
        await other.settled(prediction)
    assert (await other.spent())[0] >= PRICE * 5


async def test_an_answer_that_the_store_missed_is_given_and_recorded_later(
    tenant: Tenants, upstream: Upstream, gateway: Gateway
) -> None:
    """The store stops after the hold and before the id is recorded: the client has its 200, the ledger follows."""
    acme, store = tenant("acme"), gateway.store
    await upstream.faults(creates=["slow:0.5"])
    arrived, known = await upstream.arrived(), len(await acme.executions())
    request = acme.create()

    async def sent() -> bool:
        return await upstream.arrived() == arrived + 1

    answer = asyncio.ensure_future(request)
    await until(sent)
    os.kill(store, signal.SIGSTOP)
    try:
        created = await answer
    finally:
        os.kill(store, signal.SIGCONT)
    assert created.status_code == 200, created.text
    assert created.elapsed.total_seconds() > 1

    async def recorded() -> bool:
        return len(await acme.executions()) == known + 1

    await until(recorded)
    await acme.settled(created.json()["predictionID"])
