"""What has ended long ago is taken away whole, and nothing else is."""

from gateway.domain.reservation import How
from gateway.ledger.upkeep import KEEP_SECONDS, SWEEP, Upkeep
from ledger.bench import SCRIPTS, Bench, budget, nothing_changes


def upkeep(bench: Bench) -> Upkeep:
    return Upkeep(bench.store, SCRIPTS, bench.account)


async def test_an_ended_reservation_is_kept_for_its_time_and_then_nothing_leads_to_it(bench: Bench) -> None:
    postings = bench.postings(budget(1000))
    old = await bench.settled(postings, 7)
    released = await bench.admit(postings)
    await bench.ledger.release(released.id, sent=True, reason="answered 400")
    await bench.advance(60)
    young, live = await bench.settled(postings, 8), await bench.admit(postings)
    await bench.advance(KEEP_SECONDS - 60 - 1)
    assert await nothing_changes(bench, upkeep(bench).sweep()) == 0
    await bench.advance(1)
    counted = await bench.counted()
    assert await upkeep(bench).sweep() == 2
    assert [await bench.views.reservation(each) for each in (old.id, released.id)] == [None, None]
    assert (await bench.views.owner(f"p-{old.id}"), await bench.views.owner(f"p-{young.id}")) == (None, young.id)
    assert await bench.views.predictions("t", 0, 10) == [await bench.record(young.id)]
    assert await bench.views.prediction_count("t") == 1
    assert (await bench.record(live.id)).hold == 10
    assert await bench.counted() == counted
    assert await nothing_changes(bench, upkeep(bench).sweep()) == 0


async def test_more_than_fit_into_one_step_are_taken_in_several(bench: Bench) -> None:
    for _ in range(SWEEP + 5):
        held = await bench.admit(bench.postings())
        await bench.ledger.release(held.id, sent=False, reason="never sent")
    await bench.advance(KEEP_SECONDS)
    assert await upkeep(bench).sweep() == SWEEP + 5
    assert not {"{up}:e", "{up}:ended"} & (await bench.dump()).keys()


async def test_a_model_without_a_price_is_named_by_its_reservation_and_not_by_labels(bench: Bench) -> None:
    """A client may write any name there, and labels are for ever."""
    for number in range(5):
        held = await bench.admit(bench.postings(), model=f"any-{number}", price_version="")
        await bench.ledger.confirm(held.id, f"p-{number}", 5)
        await bench.ledger.settle(held.id, 1, How.EXACT, "success")
        assert (await bench.record(held.id)).model == f"any-{number}"
    await bench.settled(bench.postings(), 5)
    assert await bench.redis.hlen("{up}:labels") == 2
    named = [entry["model"] for entry in await bench.journal() if entry["event"] == "settle"]
    assert named == [*(f"any-{number}" for number in range(5)), "m"]
