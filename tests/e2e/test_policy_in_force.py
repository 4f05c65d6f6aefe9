"""Two gateways with folders of their own on one store: one policy is in force, and nothing is admitted by another."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.clients import PRICE, Tenant, assert_refused, scrape, until
from e2e.house import House
from e2e.policies import Policies, budget
from e2e.programs import Gateway, Sandbox, run

OLD, NEW, OTHER = "5.00", "6.00", "7.00"


class Files:
    """One host's own copy of the policy files."""

    def __init__(self, policies: Policies, folder: Path, usd: str) -> None:
        self.folder = policies.write(folder)
        self._text = (folder / "policy.toml").read_text()
        self.write(usd)

    def write(self, usd: str) -> None:
        """Set the budget."""
        (self.folder / "policy.toml").write_text(self._text.replace(OLD, usd))


class Host:
    """A gateway with its files, as its operator and a tenant see it."""

    def __init__(self, gateway: Gateway, files: Files) -> None:
        self.gateway, self.files = gateway, files

    async def ready(self, http: httpx.AsyncClient) -> dict[str, Any]:
        return (await http.get(f"{self.gateway.metrics_url}/readyz")).json()

    def tenant(self, http: httpx.AsyncClient) -> Tenant:
        return Tenant(http, self.gateway, self.gateway.secrets["acme"])

    async def is_in_force(self, http: httpx.AsyncClient, usd: str) -> None:
        """Wait until it is ready, and see that it admits by that budget."""

        async def there() -> bool:
            body = await self.ready(http)
            answer = await self.tenant(http).ask("GET", "/gateway/usage")  # of a worker that may still be behind
            if body["status"] != "ready" or answer.status_code != 200:
                return False
            limits = [line["limit"] for line in answer.json()["limits"] if line["id"] == "budget-total"]
            return [Decimal(limit) for limit in limits] == [Decimal(usd)]

        await until(there)
        assert (await self.tenant(http).create()).status_code == 200

    async def is_behind(self, http: httpx.AsyncClient) -> None:
        """Wait until it is not ready, and see that it admits nothing, and says why."""

        async def there() -> bool:
            return (await self.ready(http))["status"] != "ready"

        await until(there)
        (fault,) = (await self.ready(http))["faults"]
        assert "another policy is in force (main: " in fault
        answer = await self.tenant(http).create()
        assert_refused(answer, 503, "policy_behind")
        assert answer.headers["Retry-After"] == "1"
        assert (await scrape(http, self.gateway)).sum("gateway_policy_behind") == 1


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.tenant("acme", budget(OLD))
    return policies


@pytest.fixture(scope="module")
def hosts(house: House, policies: Policies, sandbox: Sandbox, tmp_path_factory: Any) -> Iterator[tuple[Host, Host]]:
    """One host with the old budget, and a second that starts beside it with another folder."""
    folder = tmp_path_factory.mktemp("policies")
    files = [Files(policies, folder / name, usd) for name, usd in (("one", OLD), ("two", NEW))]
    one = house.gateway(policies, sandbox, workers=2, folder=files[0].folder)
    store = f"unix://{one.value('--data-dir')}/store.sock"
    two = house.gateway(policies, sandbox, workers=2, folder=files[1].folder, redis_url=store)
    yield Host(one, files[0]), Host(two, files[1])
    two.stop()  # before the store that it uses


async def test_a_start_with_another_folder_overrules_nobody(
    hosts: tuple[Host, Host], http: httpx.AsyncClient
) -> None:
    one, two = hosts
    await two.is_behind(http)
    await one.is_in_force(http, OLD)
    two.files.write(OLD)
    await two.is_in_force(http, OLD)
    assert (await one.ready(http))["policy_numbers"] == (await two.ready(http))["policy_numbers"] == {"main": 1}


async def test_a_change_on_one_host_stops_the_one_that_lags_until_it_has_it_too(
    hosts: tuple[Host, Host], http: httpx.AsyncClient
) -> None:
    one, two = hosts
    one.files.write(NEW)
    await one.is_in_force(http, NEW)
    await two.is_behind(http)
    two.files.write(OTHER)  # what a host that lags brings is not what the other must follow
    await asyncio.sleep(1.5)  # three looks at the folder
    await two.is_behind(http)
    await one.is_in_force(http, NEW)
    two.files.write(NEW)
    await two.is_in_force(http, NEW)
    two.files.write(OLD)  # a rollback, from either host, is a change like any other
    await two.is_in_force(http, OLD)
    await one.is_behind(http)
    one.files.write(OLD)
    await one.is_in_force(http, OLD)
    assert (await one.ready(http))["policy_numbers"] == {"main": 3}


async def test_the_polls_of_a_host_that_lags_go_on(hosts: tuple[Host, Host], http: httpx.AsyncClient) -> None:
    one, two = hosts
    prediction = await two.tenant(http).created()
    one.files.write(NEW)
    await two.is_behind(http)
    assert (await two.tenant(http).settled(prediction)).headers["X-Gateway-Cost-USD"] == str(PRICE)
    two.files.write(NEW)
    await two.is_in_force(http, NEW)


async def test_an_operator_puts_a_folder_into_force(hosts: tuple[Host, Host], http: httpx.AsyncClient) -> None:
    one, two = hosts
    two.files.write(OTHER)
    await two.is_in_force(http, OTHER)
    words = ["--policies", str(one.files.folder), "--data-dir", one.gateway.value("--data-dir")]
    done = await asyncio.to_thread(run, "policy", "enact", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("main: policy 6 (")
    await one.is_in_force(http, NEW)
    await two.is_behind(http)
