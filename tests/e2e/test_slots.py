"""Two hosts of two workers on one store: what upstream sees, by its own record. `make slots` is the long form."""

from benchmarks.hosts import Scarce
from benchmarks.slots import measure


async def test_two_hosts_use_up_what_the_keys_of_a_pool_allow_and_no_more() -> None:
    scarce = Scarce(keys=2, creates_per_minute=20, concurrent=3, run_seconds=0.2, tenants={"a": 1, "b": 1})
    totals, answers = await measure(0.1, scarce)
    assert totals["refused"] == {}
    assert max(totals["max_creates_in_60_s"].values()) <= 20
    assert max(totals["max_in_flight"].values()) <= 3
    assert totals["arrived"] >= answers[200] > 20  # more than one key, and more than one round of slots, can take
    assert set(answers) == {200}
