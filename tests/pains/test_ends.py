"""What is held for nobody, and slots that nobody uses, however a create ends."""

import asyncio
from decimal import Decimal

from e2e.clients import INPUT, PRICE, Tenants, Upstream, assert_refused, until

REFUSALS = ["400", "401", "402", "403", "404", "422", "429"]


async def test_after_every_kind_of_end_no_hold_and_no_slot_is_left_and_the_budget_is_spent_to_its_last_cent(
    tenant: Tenants, upstream: Upstream
) -> None:
    """Phantom holds: LiteLLM PR #27509 (blocked at a $2,000 cap with $0.144 spent), PR #38647 (a float counter of
    25.000000000000004). Slots leak, and refused requests count: LiteLLM #20256, #27955, #39309."""
    ends = tenant("ends")
    await upstream.faults(creates=REFUSALS)
    assert 200 not in {(await ends.create()).status_code for _ in REFUSALS}
    await upstream.faults(costs=["fail"])
    assert Decimal((await ends.settled(await ends.created())).headers["X-Gateway-Cost-USD"]) == 0
    cancelled = await ends.created()
    await ends.ask("POST", f"/v1/prediction/{cancelled}/cancel")
    # The size is not told, so that more is held than it will cost.
    await ends.settled(await ends.created(base={k: v for k, v in INPUT.items() if k != "image_size"}))
    assert_refused(await ends.create(num_images=4, image_size="square_hd"), 402, "budget_exceeded")

    async def given_back() -> bool:
        return await ends.spent() == (PRICE, 0)

    await until(given_back)
    usage = await ends.usage()
    assert (usage["concurrency"]["used"], usage["count-year"]["used"]) == (0, 3)
    answers = await asyncio.gather(*(ends.create() for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [402] * 2
    await asyncio.gather(*(ends.settled(a.json()["predictionID"]) for a in answers if a.status_code == 200))
    usage = await ends.usage()
    assert (usage["budget-total"]["used"], usage["budget-total"]["held"]) == ("0.07", "0.00")
    assert (usage["concurrency"]["used"], usage["count-year"]["used"]) == (0, 7)
