"""The simulator in the test run: some seeds, each of which must keep every invariant, and some planted bugs."""

from collections.abc import Iterator

import pytest
from redis import Redis

from simulation.failovers import FailoverWorld
from simulation.mutants import MUTANTS, Mutant, assembled, caught_by, planted
from simulation.server import running_server
from simulation.simulator import simulate

#: All of it is computation, which takes its time where others compute too.
pytestmark = pytest.mark.timeout(400)
QUICK = {mutant.name: mutant for mutant in MUTANTS}


@pytest.fixture(scope="module")
def redis() -> Iterator["Redis[bytes]"]:
    with running_server() as running:
        yield running


@pytest.mark.parametrize("seed", range(4))
def test_every_invariant_holds_under_seeded_faults(redis: "Redis[bytes]", seed: int) -> None:
    result = simulate(seed, redis, busy_s=250)
    assert result.admitted > 10  # a run in which nothing happens proves nothing


def test_a_store_that_loses_what_it_acknowledged_admits_nothing_until_all_is_found_out(
    redis: "Redis[bytes]",
) -> None:
    result = simulate(1, redis, busy_s=250, world=FailoverWorld)
    assert result.hits["failover"]
    assert result.admitted > 10


def test_a_seed_replays_step_by_step(redis: "Redis[bytes]") -> None:
    first, again = (simulate(3, redis, busy_s=60) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_planted_bug_still_has_its_place(mutant: Mutant) -> None:
    assert planted(mutant)
    with assembled(mutant):
        pass


@pytest.mark.parametrize(
    "name",
    (
        "a budget is not checked",
        "a refusal writes",
        "settle is not idempotent",
        "a tombstone is dropped",
        "slots are not freed at the end",
        "a doubt writes no journal",
        "a hold stays",
        "the due time stays",
        "a call that names a foreign execution is believed",
        "a failover goes unnoticed",
    ),
)
def test_a_planted_bug_is_caught(redis: "Redis[bytes]", name: str) -> None:
    assert caught_by(QUICK[name], redis)
