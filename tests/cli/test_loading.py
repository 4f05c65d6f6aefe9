"""What the processes of `gateway serve` load, since each module is paid for at every start and in every worker.

Counted, not timed. Each of these is loaded when it is asked for.
"""

import subprocess
import sys
from collections.abc import Iterator

import pytest

#: The package, and what it is loaded for instead.
RARE = {
    "redis": "a Cluster, Sentinels, or an address with TLS",
    "httpx": "a tenant's webhook, an alert, an input image",
    "httpcore": "the same",
    "rich": "httpx",
    "pygments": "httpx",
    "imagesize": "an input image",
    "xml": "an input image",
    "importlib.metadata": "gateway --version",
    "tomlkit": "gateway models",
    "gateway.sandbox": "a process of its own",
    "gateway.policy.drafts": "gateway models",
}
#: Each of the gateway's own takes about a millisecond of every start.
MOST_OWN = 212


@pytest.fixture(scope="module")
def loaded() -> Iterator[set[str]]:
    """The modules of a process that is ready to fork its workers, which is all that a worker has too."""
    told = subprocess.run(
        [sys.executable, "-c", "import gateway.cli.serve, gateway.cli.parent, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    yield set(told.stdout.split())


@pytest.mark.parametrize("name", RARE)
def test_what_is_rare_is_not_loaded_at_the_start(loaded: set[str], name: str) -> None:
    assert not {each for each in loaded if each == name or each.startswith(f"{name}.")}, f"it is for {RARE[name]}"


def test_a_start_loads_no_more_modules_than_it_did(loaded: set[str]) -> None:
    assert len([each for each in loaded if each.split(".")[0] == "gateway"]) <= MOST_OWN
