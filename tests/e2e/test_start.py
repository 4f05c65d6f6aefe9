"""The start of a gateway: its first workers are forks of their parent, each a process of its own in every respect."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from e2e.clients import until
from e2e.house import House
from e2e.policies import Policies, budget
from e2e.programs import Sandbox, environ

SHIPPED = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.tenant("acme", budget("1.00"))
    return policies


async def test_two_workers_of_one_parent_name_their_requests_differently(
    house: House, policies: Policies, sandbox: Sandbox
) -> None:
    """What a fork is to have for itself, such as its source of names, is made after it."""
    gateway, seen = house.gateway(policies, sandbox, workers=2), set[str]()

    async def both() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:  # a connection of its own may meet either
            answer = await http.get(f"{gateway.url}/gateway/healthz")
        word, _, number = answer.headers["X-Request-Id"].rpartition("-")
        assert number
        seen.add(word)
        return len(seen) == 2

    await until(both)


def test_a_gateway_that_cannot_start_says_why_and_leaves_no_worker(tmp_path: Path) -> None:
    """A worker would hold the standard output open, which is read here to its end."""
    words = [
        sys.executable,
        "-m",
        "gateway",
        "serve",
        "--workers",
        "2",
        "--policies",
        SHIPPED,
        "--data-dir",
        tmp_path,
    ]
    words += ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--store-binary", "false"]
    told = subprocess.run(words, env=environ(), capture_output=True, text=True, timeout=60)
    assert told.returncode == 1
    assert "while starting" in told.stderr
    assert "Traceback" not in told.stderr
    assert not list(tmp_path.glob("workers-*"))
