"""One sandbox and one gateway of two workers for what peers' users suffer; the tests have a tenant each."""

from collections.abc import Iterator

import pytest
from e2e.conftest import http, tenant, upstream
from e2e.house import House, opened
from e2e.policies import REMOVER, Policies, budget, limit
from e2e.programs import Gateway, Sandbox

__all__ = ["http", "tenant", "upstream"]

#: What the remover costs, in the policy and at the sandbox.
REMOVER_USD = "0.017"


@pytest.fixture(scope="package")
def house() -> Iterator[House]:
    with opened() as house:
        yield house


@pytest.fixture(scope="package")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.fixed_price(REMOVER, REMOVER_USD)
    policies.tenant("ends", budget("0.07"), limit("concurrency", max=7), limit("count", window="year", max=50))
    policies.tenant("before", budget("1.01", "year", id="old-name"), limit("count", window="day", max=50))
    policies.tenant("media", budget("9.00"))
    policies.tenant("jobs", budget("9.00"))
    policies.tenant("poor", budget("0.001"))
    policies.tenant("replicas", budget("0.10"))
    return policies


@pytest.fixture(scope="package")
def sandbox(house: House) -> Sandbox:
    return house.sandbox()


@pytest.fixture(scope="package")
def gateway(house: House, policies: Policies, sandbox: Sandbox) -> Gateway:
    return house.gateway(policies, sandbox, workers=2)
