"""Programs for the tests of a module, and what they are asked with."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import openai
import pytest
import uvloop

from e2e.clients import Tenant, Tenants, Upstream
from e2e.house import House, opened
from e2e.policies import Policies, budget
from e2e.programs import Gateway, Sandbox


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Count what a request costs on the loop that workers have; asyncio's own counts its work too."""
    on_uvloop = item.path.name == "test_cost.py"
    return {"uvloop": uvloop.new_event_loop} if on_uvloop else {"asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """Where the programs of a module run."""
    with opened() as house:
        yield house


@pytest.fixture(scope="session")
def common() -> Iterator[tuple[Sandbox, Gateway]]:
    """Programs for the modules whose tests do not disturb each other's: two accounts and five tenants."""
    policies = Policies()
    policies.account()
    policies.account("second")
    policies.tenant("acme", budget("1.00"), account="main")
    policies.tenant("child", budget("1.00"), parent="acme")
    policies.tenant("other", budget("1.00"), account="main")
    policies.tenant("poor", budget("0.10"), account="main")
    policies.tenant("abroad", budget("1.00"), account="second")
    with opened() as house:
        sandbox = house.sandbox()
        yield sandbox, house.gateway(policies, sandbox, workers=2)


@pytest.fixture(scope="module")
def policies() -> Policies | None:
    """The policies of a module; one that says nothing of them shares the common programs."""
    return None


@pytest.fixture(scope="module")
def sandbox(house: House, policies: Policies | None, request: pytest.FixtureRequest) -> Sandbox:
    """The upstream of a module; a module that needs another has a fixture of this name."""
    return request.getfixturevalue("common")[0] if policies is None else house.sandbox()


@pytest.fixture(scope="module")
def gateway(house: House, policies: Policies | None, sandbox: Sandbox, request: pytest.FixtureRequest) -> Gateway:
    """The gateway of a module, on its own `policies`."""
    if policies is None:
        return request.getfixturevalue("common")[1]
    return house.gateway(policies, sandbox, workers=2)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(trust_env=False, verify=context, limits=limits, timeout=30) as client:
        yield client


@pytest.fixture
def upstream(http: httpx.AsyncClient, sandbox: Sandbox) -> Upstream:
    """The module's sandbox."""
    return Upstream(http, sandbox)


@pytest.fixture
def tenant(http: httpx.AsyncClient, gateway: Gateway) -> Tenants:
    """Make clients of the module's gateway, each with the key of a tenant."""
    return lambda name: Tenant(http, gateway, gateway.secrets[name])


@pytest.fixture
def sdk(gateway: Gateway, http: httpx.AsyncClient) -> openai.AsyncOpenAI:
    """The openai SDK as tenant acme sets it up: another address and another key."""
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.secrets["acme"], http_client=http)
