"""Limits under a crowd: two workers, two hundred creates at once, and not one too many."""

import asyncio
from collections import Counter
from decimal import Decimal
from itertools import pairwise

import httpx
import pytest

from e2e.clients import PRICE, Tenant, Tenants, Upstream, assert_refused
from e2e.house import House
from e2e.policies import Policies, budget, limit
from e2e.programs import Sandbox

CROWD, ADMITTED = 200, 10
WIDE = budget("1000", id="wide")


@pytest.fixture(scope="module")
def sandbox(house: House) -> Sandbox:
    return house.sandbox(seconds=60)  # nothing ends while it is counted


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.account("scarce", concurrent=ADMITTED)
    policies.account("slow", per_minute=ADMITTED)
    policies.account("poor", limits=[budget("0.14")])
    policies.tenant("group", budget("0.149"), account="main")
    policies.tenant("budget", WIDE, parent="group")
    policies.tenant("rate", WIDE, limit("rate", per_minute=1, burst=ADMITTED), account="main")
    policies.tenant("count", WIDE, limit("count", window="year", max=ADMITTED), account="main")
    policies.tenant("concurrency", WIDE, limit("concurrency", max=ADMITTED), account="main")
    for account in ("scarce", "slow", "poor"):
        policies.tenant(f"of-{account}", WIDE, account=account)
    return policies


async def crowd(tenant: Tenant) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """Create all at once; give the admissions, as many as allowed, and the refusals."""
    answers = await asyncio.gather(*(tenant.create() for _ in range(CROWD)))
    assert Counter(answer.status_code for answer in answers)[200] == ADMITTED
    return [a for a in answers if a.status_code == 200], [a for a in answers if a.status_code != 200]


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("budget", 402, "budget_exceeded"),
        ("rate", 429, "rate_exceeded"),
        ("count", 429, "count_exceeded"),
        ("concurrency", 429, "concurrency_exceeded"),
        ("of-scarce", 429, "upstream_busy"),
        ("of-slow", 429, "upstream_busy"),
        ("of-poor", 402, "budget_exceeded"),
    ],
)
async def test_of_two_hundred_at_once_exactly_ten_are_admitted(
    tenant: Tenants, upstream: Upstream, name: str, status: int, code: str
) -> None:
    arrived = await upstream.arrived()
    admitted, refused = await crowd(tenant(name))
    for answer in refused:
        assert_refused(answer, status, code)
    # Each admitted one saw another remainder, so each was decided alone.
    left = sorted(Decimal(answer.headers["X-Gateway-Budget-Remaining-USD"]) for answer in admitted)
    assert [most - least for least, most in pairwise(left)] == [PRICE] * (ADMITTED - 1)
    assert await upstream.arrived() - arrived == ADMITTED
    usage = await tenant(name).usage()
    held = PRICE * ADMITTED
    assert (Decimal(usage["wide"]["used"]), Decimal(usage["wide"]["held"])) == (0, held)
    own = [line for line in usage.values() if line["id"] != "wide"]
    for line in own:
        assert Decimal(line["used"]) + Decimal(line["held"]) == (held if line["kind"] == "budget" else ADMITTED)
    assert len(await tenant(name).executions()) == ADMITTED
