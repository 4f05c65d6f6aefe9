"""After a failover: nothing is admitted until what it lost is told again, or found upstream and charged."""

from decimal import Decimal
from pathlib import Path

import pytest
from ledger.bench import ACCOUNT, SCRIPTS, WIDE, Bench, budget

from gateway.domain.reservation import UNATTRIBUTED, How, State
from gateway.domain.window import WindowName
from gateway.ledger.audit import Auditor
from gateway.ledger.decisions import Admitted, Closed
from gateway.ledger.ledger import Ledger
from gateway.ledger.postings import Counter
from gateway.policy import load_policy
from gateway.pricing import Model
from gateway.settlement.looks import Look
from gateway.settlement.recovery import Recovery
from gateway.settlement.unattributed import Unattributed
from gateway.upstream.digest import digest_input
from settlement.conftest import INPUT, MODEL, PRICE, Start, World

SHIPPED = Path(__file__).parents[2] / "policies"
LIMIT = budget(10 * PRICE, ACCOUNT, WindowName.TOTAL)
LANDED = 2 + 30 + 5  # seconds until what was on its way is upstream


def recovery(world: World, models: dict[str, Model] | None = None, ledger: Ledger | None = None) -> Recovery:
    ledger, models = ledger or world.bench.ledger, models or {MODEL: Model(slug=MODEL)}
    postings = world.bench.postings(LIMIT, scopes=[ACCOUNT])
    found = Unattributed(ledger, world.bench.views, world.upstream, world.lister, postings, models)
    return Recovery(ledger, found, world.account.create_timeout_seconds)


async def fail_over(bench: Bench) -> None:
    """Have the server be a replica for a moment; what it has, it keeps."""
    await bench.redis.execute_command("REPLICAOF", "127.0.0.1", 1)
    await bench.redis.execute_command("REPLICAOF", "NO", "ONE")


async def steps(world: World, recovery: Recovery, seconds: int) -> int:
    """Step once a second until the account is open; gives how many that took."""
    for second in range(seconds):
        await recovery.round()
        if await world.bench.views.closure() is None:
            return second
        await world.advance(1)
    raise AssertionError(f"still closed after {seconds} s")


async def spent(bench: Bench) -> tuple[int, int]:
    """Charged and held on the account."""
    assert LIMIT.zone is not None
    charged, held, _ = await bench.views.counted(Counter(ACCOUNT, WindowName.TOTAL, LIMIT.zone), 0)
    return charged, held


async def settle_all(world: World) -> None:
    for _ in range(12):
        await world.advance(1)
        await world.look()


async def test_a_failover_that_lost_nothing_opens_as_soon_as_every_worker_has_said_so(world: World) -> None:
    bench, known = world.bench, recovery(world)
    await known.round()
    await world.create()
    await fail_over(bench)
    assert isinstance(await bench.reserve(bench.postings(LIMIT)), Closed)
    assert await steps(world, known, 5) <= 3
    assert isinstance(await bench.reserve(bench.postings(LIMIT)), Admitted)
    assert [entry["event"] for entry in await bench.journal()][-3:] == ["close", "reopen", "reserve"]
    assert (await Auditor(bench.store, SCRIPTS, "up").verify()).faults == []


async def test_what_nobody_knows_any_more_is_charged_to_the_account_at_what_it_cost(world: World) -> None:
    known = recovery(world)
    await known.round()
    await world.create()
    await fail_over(world.bench)
    lost = [await world.send() for _ in range(2)]
    await world.advance(3)  # they have ended, so that upstream states what they cost
    await steps(world, known, 5)
    assert await spent(world.bench) == (0, 3 * PRICE)  # with the one that was not lost
    await settle_all(world)
    assert await spent(world.bench) == (3 * PRICE, 0)
    for prediction in lost:
        found = await world.bench.views.by_prediction(prediction or "")
        assert found is not None
        assert (found.tenant, found.cost, found.how) == (UNATTRIBUTED, PRICE, How.UNATTRIBUTED)
    assert world.settlements(How.UNATTRIBUTED) == 2
    assert (await Auditor(world.bench.store, SCRIPTS, "up").verify()).faults == []


async def test_a_chat_that_was_charged_by_its_usage_and_the_steps_of_a_workflow_are_not_charged_again(
    start: Start,
) -> None:
    world = await start(seconds=0)
    known = recovery(world)
    await known.round()
    chat = {"model": "openai/gpt-5.1", "messages": [{"role": "user", "content": "hello"}]}
    for path, body in (("chat/completions", chat), ("chat/completions", chat), ("workflows/trigger/wf_video/v1", {})):
        answer = await world.http.post(f"/v1/{path}", json=body, headers={"X-API-Key": "k1"})
        assert answer.status_code in (200, 202)
    first, second, _ = (await world.http.get("/sandbox/books")).json()["creates"]
    costs = [int(Decimal(each["cost"]) * 10**8) for each in (first, second)]
    known_chat = world.bench.order(PRICE, model="openai/gpt-5.1", price_version="1")
    assert isinstance(await world.bench.ledger.reserve(known_chat, world.bench.postings(LIMIT), WIDE), Admitted)
    await world.bench.ledger.confirm(known_chat.id, known_chat.id, 1)
    await world.bench.ledger.settle(known_chat.id, costs[0], How.METERED, "success")
    await fail_over(world.bench)
    await world.advance(3)
    await steps(world, known, 50)
    charged, held = await spent(world.bench)
    assert charged + held == sum(costs)  # and the other chat, which is nobody's, alone


async def test_what_still_runs_is_held_at_what_a_create_of_its_input_would_hold(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    world = await start(seconds=60)
    known, blind = recovery(world, load_policy(SHIPPED).models), recovery(world)
    await blind.round()
    await world.create()
    await fail_over(world.bench)
    await world.send()
    for _ in range(4):  # without a price it waits for the end
        await blind.round()
        await world.advance(1)
    assert "cannot be bounded" in caplog.text
    assert await spent(world.bench) == (0, 0)
    await steps(world, known, 5)
    _, held = await spent(world.bench)
    assert held >= 2 * PRICE


async def test_an_execution_that_may_be_a_live_creates_is_waited_for(world: World) -> None:
    bench, known = world.bench, recovery(world)
    await known.round()
    reservation = await world.hold(input_digest=digest_input(INPUT))
    await fail_over(bench)
    prediction = await world.send()
    for _ in range(5):
        await known.round()
        await world.advance(1)
    assert await bench.views.closure() is not None
    await bench.ledger.confirm(reservation, prediction or "", 1)
    await steps(world, known, 5)
    assert await spent(bench) == (0, 0)
    assert (await world.record(reservation)).prediction == prediction


async def test_with_the_list_unreadable_the_account_stays_closed(world: World) -> None:
    known = recovery(world)
    await known.round()
    await world.create()
    await fail_over(world.bench)
    await world.faults(executions=["500"] * 3)
    taken = await steps(world, known, 20)
    assert taken >= 5, "each turn is two seconds after the last"


async def test_a_worker_that_was_there_and_is_not_heard_of_is_waited_for_until_its_creates_have_landed(
    world: World,
) -> None:
    gone = recovery(world, ledger=Ledger(world.bench.store, SCRIPTS, "up"))
    await gone.round()
    known = recovery(world)
    await known.round()
    await world.create()
    await fail_over(world.bench)
    assert await steps(world, known, LANDED + 5) >= LANDED


async def test_what_is_seen_upstream_late_is_charged_though_the_account_is_open_again(world: World) -> None:
    known = recovery(world)
    await known.round()
    await world.create()
    await fail_over(world.bench)
    await steps(world, known, 5)
    await world.send()  # as if it had been on its way
    assert await spent(world.bench) == (0, 0)
    for _ in range(4):
        await world.advance(1)
        await known.round()
    await settle_all(world)
    assert await spent(world.bench) == (2 * PRICE, 0)


async def test_a_doubt_is_not_given_the_execution_of_a_create_that_was_lost(world: World) -> None:
    """The input alone says whose an execution of that time is: the ledger does not know the rival."""
    known = recovery(world)
    await known.round()
    doubt = await world.create("cut", input_digest="another")
    await fail_over(world.bench)
    lost = await world.send()
    await steps(world, known, 60)
    for _ in range(150):
        await world.advance(1)
        await world.look()
    found = await world.bench.views.by_prediction(lost or "")
    assert found is not None
    assert found.tenant == UNATTRIBUTED
    assert (await world.record(doubt)).state is State.RELEASED


async def test_an_end_that_was_lost_is_recorded_again_though_a_worker_knows_it(
    world: World,
) -> None:
    reservation = await world.create()
    prediction = (await world.record(reservation)).prediction or ""
    await world.advance(3)
    answer = await world.upstream.poll(prediction, "main")
    world.looks._kept.keep("up", prediction, Look(answer.status, answer.headers, answer.body, PRICE, True))
    await world.advance(2)
    await world.look()
    ended = await world.record(reservation)
    assert (ended.state, ended.cost) == (State.SETTLED, PRICE)


async def test_an_operator_may_open_it_with_a_reason_that_stays_in_the_journal(world: World) -> None:
    bench, known = world.bench, recovery(world)
    await known.round()
    await world.create()
    await fail_over(bench)
    await world.faults(executions=["500"] * 50)
    await known.round()
    closure = await bench.views.closure()
    assert closure is not None
    assert await bench.ledger.reopen(closure.epoch, "operator", "the bill was looked through by hand")
    assert not await bench.ledger.reopen(closure.epoch, "operator", "once more")
    decision = await bench.ledger.reserve(bench.order(), bench.postings(), WIDE)
    assert isinstance(decision, Admitted)
    _, told, _ = (await bench.journal())[-3:]
    assert (told["event"], told["by"]) == ("reopen", "operator")
    assert told["reason"] == "the bill was looked through by hand"
