"""What the processes of `gateway serve` load, since each module is paid for at every start and in every worker.

Counted, not timed.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

#: The package, and what it is loaded for instead, when it is asked for.
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


#: Prints where the bytecode belongs of all that is loaded from the environment that make made.
PLACES = """
import gateway.cli.serve, gateway.cli.parent, sys, sysconfig
specs = [module.__spec__ for module in sys.modules.values() if getattr(module, "__spec__", None)]
installed = [each for each in specs if str(each.origin).startswith(sysconfig.get_path("purelib"))]
print(*(each.cached for each in installed if each.cached), sep="\\n")
"""


def test_nothing_that_was_installed_is_compiled_at_a_start() -> None:
    told = subprocess.run([sys.executable, "-c", PLACES], capture_output=True, text=True, check=True).stdout
    places = [Path(line) for line in told.splitlines()]
    assert len(places) > 50
    assert not [place for place in places if not place.exists()], "make compiles what it installs"
