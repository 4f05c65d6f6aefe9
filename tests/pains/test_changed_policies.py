"""What a change of the policies leaves as it is: what was used, and what was promised."""

from decimal import Decimal
from pathlib import Path

from e2e.clients import INPUT, PRICE, Tenants, Upstream, until
from e2e.policies import REMOVER
from e2e.programs import Gateway

from pains.conftest import REMOVER_USD


def change(gateway: Gateway, *pairs: tuple[str, str]) -> None:
    """Write the policy file anew, with other words in it."""
    file = Path(gateway.value("--policies")) / "policy.toml"
    text = file.read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, "utf-8")


async def test_a_limit_that_is_renamed_raised_moved_or_new_keeps_what_was_used(
    tenant: Tenants, gateway: Gateway
) -> None:
    """Applying a configuration zeroes usage: Bifrost #5925."""
    before = tenant("before")
    await before.settled(await before.created())
    again = [await before.created() for _ in range(2)]
    extra = '[[tenant.limit]]\nkind = "budget"\nwindow = "total"\nusd = "7.00"\nid = "new"\n'
    renamed = ('"1.01"', '"2.02"'), ('"old-name"', '"new-name"')
    change(gateway, *renamed, ('[[tenant]]\nid = "before"\n', f'[[tenant]]\nid = "before"\n\n{extra}'))

    async def adopted() -> bool:
        return {"new-name", "new"} <= (await before.usage()).keys()

    await until(adopted)
    for prediction in again:
        await before.settled(prediction)
    usage = await before.usage()
    assert {id_: usage[id_]["used"] for id_ in ("new-name", "new", "count-day")} == {
        "new-name": str(PRICE * 3),
        "new": str(PRICE * 3),
        "count-day": 3,
    }
    assert usage["new-name"]["limit"] == "2.02"


async def test_a_price_that_changes_while_a_job_runs_changes_neither_its_hold_nor_its_cost(
    tenant: Tenants, gateway: Gateway, upstream: Upstream
) -> None:
    """Rates read again at settlement: new-api #6172."""
    jobs, base = tenant("jobs"), {"image_url": INPUT["image_urls"][0]}
    created = await jobs.create(model=REMOVER, base=base)
    reservation = created.headers["X-Gateway-Reservation"]
    change(gateway, (f'usd = "{REMOVER_USD}"', 'usd = "0.9"'), ('price_version = "1"', 'price_version = "2"'))

    async def dearer() -> bool:
        quote = await jobs.ask("POST", "/gateway/quote", json={"model": REMOVER, "input": base})
        return (quote.json()["hold_usd"], quote.json()["price_version"]) == ("0.90", "2")

    await until(dearer)
    await jobs.settled(created.json()["predictionID"])
    record = await jobs.reservation(reservation)
    assert (record["hold_usd"], record["cost_usd"], record["settled_how"]) == (REMOVER_USD, REMOVER_USD, "exact")
    assert record["price_version"] == "1"
    assert (await jobs.spent())[0] % PRICE == Decimal(REMOVER_USD) % PRICE
