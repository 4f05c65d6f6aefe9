from decimal import Decimal


async def test_a_create_beyond_the_rate_of_any_60_seconds_is_refused_and_creates_nothing(start):
    sandbox = await start(creates_per_minute=2, concurrent=99)
    await sandbox.created()
    sandbox.clock.advance(20)
    await sandbox.created()
    sandbox.clock.advance(39.5)
    refused = await sandbox.create()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    totals = (await sandbox.books())["totals"]
    assert (totals["creates"], totals["refused"]) == (2, {"429": 1})
    assert totals["max_creates_in_60_s"] == {"k1": 3}
    sandbox.clock.advance(0.5)
    await sandbox.created()
    assert (await sandbox.create()).status_code == 429


async def test_the_rate_is_per_key(start):
    sandbox = await start(creates_per_minute=1)
    await sandbox.created("k1")
    await sandbox.created("k2")
    assert (await sandbox.create("k1")).status_code == 429


async def test_a_create_beyond_the_slots_of_a_key_waits_for_the_first_to_end(start):
    sandbox = await start(concurrent=2, seconds=10)
    await sandbox.created("k1")
    sandbox.clock.advance(4)
    await sandbox.created("k1")
    refused = await sandbox.create("k1")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "6")
    assert (await sandbox.create("k2")).status_code == 200
    sandbox.clock.advance(6)
    assert (await sandbox.create("k1")).status_code == 200
    assert (await sandbox.books())["totals"]["max_in_flight"] == {"k1": 2, "k2": 1}


async def test_a_cancel_frees_its_slot(start):
    sandbox = await start(concurrent=1)
    first = await sandbox.created()
    assert (await sandbox.create()).status_code == 429
    await sandbox.cancel(first)
    assert (await sandbox.create()).status_code == 200


async def test_a_balance_too_low_for_the_estimates_in_flight_is_402(start):
    sandbox = await start(balance_usd=Decimal("0.03"))
    first = await sandbox.created()
    await sandbox.created()
    refused = await sandbox.create()
    assert refused.status_code == 402
    assert refused.json()["status"] == 402
    assert refused.json()["error"] == "payment required"
    await sandbox.cancel(first)
    await sandbox.created()
