"""Creates whose outcome is unknown: the hold stays, and what really ran is found and charged."""

from decimal import Decimal

import pytest

from e2e.clients import PRICE, Tenants, Upstream, assert_refused, until
from e2e.policies import Policies, budget, limit

#: Those of which a prediction came into being, and those of which none did.
RAN = ["cut_after", "500_after", "garbage", "mid_answer", "slow:5"]
NOTHING_RAN = ["cut_before", "500_before", "503"]


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account(create_timeout_seconds=2)
    policies.tenant("acme", budget("1.00"), limit("concurrency", max=20), limit("count", window="year", max=50))
    return policies


async def test_an_unknown_outcome_is_504_and_keeps_its_hold_until_it_is_found(
    tenant: Tenants, upstream: Upstream
) -> None:
    acme, doubts = tenant("acme"), []
    for number, fault in enumerate(RAN + NOTHING_RAN, 1):
        await upstream.faults(creates=[fault])
        answer = await acme.create(seed=number)  # equal ones are told apart only when the list is complete
        body = assert_refused(answer, 504, "upstream_in_doubt")
        doubts.append(answer.headers["X-Gateway-Reservation"])
        assert body["reservation"] == doubts[-1]
        assert "Retry-After" not in answer.headers
        assert answer.elapsed.total_seconds() < 2 + 1
        assert await upstream.arrived() == number
        usage = await acme.usage()
        assert (usage["count-year"]["used"], usage["concurrency"]["used"]) == (number, number)
        assert sum(await acme.spent()) == PRICE * number
    states = {(await acme.reservation(doubt))["state"] for doubt in doubts}
    assert states <= {"in_doubt", "running", "settled"}
    assert sum(await acme.spent()) == PRICE * (len(RAN) + len(NOTHING_RAN))

    async def found() -> bool:
        return (await acme.spent())[0] == PRICE * len(RAN)

    await until(found, 40)
    assert await upstream.billed() == PRICE * len(RAN)
    # Absence takes two complete lists a minute apart; until then what did not run is held.
    assert await acme.spent() == (PRICE * len(RAN), PRICE * len(NOTHING_RAN))
    listed = [row["id"] for row in await acme.executions()]
    assert sorted(listed) == sorted(entry["id"] for entry in (await upstream.books())["creates"])
    assert await upstream.arrived() == len(RAN) + len(NOTHING_RAN)
    for prediction in listed:
        assert Decimal((await acme.poll(prediction)).headers["X-Gateway-Cost-USD"]) == PRICE
