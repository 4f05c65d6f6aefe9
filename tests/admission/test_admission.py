"""From a quote to a hold, over a real ledger; and what becomes of a hold whose answer did not come."""

import asyncio
import time
from typing import Any

import pytest
from ledger.bench import ACCOUNT, budget, count, nothing_changes, rate

from admission.conftest import Desk, holder, quote
from gateway.admission.shadow import ShadowRefusal
from gateway.domain.errors import Code, Refused
from gateway.domain.limit import Mode
from gateway.ledger.decisions import Answered
from gateway.ledger.requests import SEND_SECONDS
from gateway.ledger.store import LedgerUnavailable


async def refused(call: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


async def test_a_ticket_says_by_which_key_and_until_when_it_may_be_sent(desk: Desk) -> None:
    begun = time.monotonic()
    ticket = await desk.reserve(holder(budget(100)))
    assert (ticket.reservation, ticket.upstream_key) == ("res_1", "main")
    assert begun + SEND_SECONDS <= ticket.send_by <= time.monotonic() + SEND_SECONDS
    assert (await desk.bench.record("res_1")).hold == 10
    assert [(use.used, use.held) for use in ticket.uses] == [(0, 10)]


async def test_a_shadow_limit_is_named_and_counted_and_lets_pass(desk: Desk) -> None:
    who = holder(budget(5, mode=Mode.SHADOW, id="trial"), budget(100))
    ticket = await desk.reserve(who)
    assert [shadow.id for shadow in ticket.shadows] == ["trial"]
    labels = {"tenant": "t", "code": "budget_exceeded"}
    assert desk.registry.get_sample_value("gateway_shadow_refusals_total", labels) == 1


async def test_what_a_shadow_would_have_refused_before_is_named_and_counted_too(desk: Desk) -> None:
    shadows = (
        ShadowRefusal("models", Code.MODEL_NOT_ALLOWED),
        ShadowRefusal("guard-steps", Code.PARAMETER_NOT_ALLOWED),
    )
    ticket = await desk.reserve(holder(budget(5, mode=Mode.SHADOW, id="trial")), shadows=shadows)
    assert [shadow.id for shadow in ticket.shadows] == ["models", "guard-steps", "trial"]
    counted = [
        desk.registry.get_sample_value("gateway_shadow_refusals_total", {"tenant": "t", "code": code})
        for code in ("model_not_allowed", "parameter_not_allowed", "budget_exceeded")
    ]
    assert counted == [1, 1, 1]
    error = await refused(desk.reserve(holder(count(0)), shadows=shadows))
    assert error.headers["X-Gateway-Shadow-Refused"] == "models, guard-steps"


async def test_a_refusal_holds_nothing(desk: Desk) -> None:
    who = holder(budget(5), count(0))
    await desk.admission.usage(who)
    error = await nothing_changes(desk.bench, refused(desk.reserve(who)))
    assert (error.code, len(error.extra["limits"])) == (Code.BUDGET_EXCEEDED, 2)


async def test_an_upstream_without_a_slot_is_busy(desk: Desk) -> None:
    who = holder(concurrent=1)
    await desk.reserve(who)
    assert (await refused(desk.reserve(who))).code is Code.UPSTREAM_BUSY
    assert await desk.admission.would_admit(who, quote()) == (False, [{"id": "upstream_busy", "scope": "account/up"}])


async def test_an_answered_create_is_answered_again(desk: Desk) -> None:
    who, keyed = holder(), ("key", "print")
    first = await desk.reserve(who, idempotency=keyed)
    assert (await refused(desk.reserve(who, idempotency=keyed))).code is Code.IDEMPOTENCY_IN_PROGRESS
    await desk.bench.ledger.confirm(first.reservation, "p", 5, (200, b"{}"))
    assert await desk.reserve(who, idempotency=keyed) == Answered(first.reservation, 200, b"{}")


async def test_asking_whether_it_would_be_admitted_writes_nothing(desk: Desk) -> None:
    who = holder(budget(15, id="daily"), budget(12, ACCOUNT, id="whole"))
    await desk.reserve(who)
    assert await nothing_changes(desk.bench, desk.admission.would_admit(who, quote(2))) == (True, [])
    fits, lines = await nothing_changes(desk.bench, desk.admission.would_admit(who, quote(6)))
    assert (fits, [(line["id"], line["limit"]) for line in lines]) == (
        False,
        [("daily", "0.00000015"), ("whole", None)],
    )


async def test_usage_shows_every_limit_but_the_accounts_even_when_all_are_used_up(desk: Desk) -> None:
    who = holder(budget(10, id="daily"), count(1, id="n"), rate(60, 1, id="r"), budget(12, ACCOUNT, id="whole"))
    await desk.reserve(who)
    lines = await nothing_changes(desk.bench, desk.admission.usage(who))
    assert [(line["id"], line["remaining"]) for line in lines] == [("daily", "0.00"), ("n", 0), ("r", 0)]


async def test_a_reserve_whose_answer_is_lost_is_refused_and_given_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, real = holder(budget(100)), desk.bench.ledger.reserve

    async def lost(*given: Any) -> Any:
        await real(*given)
        raise LedgerUnavailable("the reply was lost")

    monkeypatch.setattr(desk.bench.ledger, "reserve", lost)
    with pytest.raises(LedgerUnavailable):
        await desk.reserve(who)
    await asyncio.gather(*desk.tasks)
    assert await desk.bench.counted() == (0, 0, 0)
    assert await desk.bench.views.totals() == (0, 0, None)


async def test_a_client_that_hangs_up_while_the_ledger_decides_leaves_no_hold(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, real, decided = holder(budget(100)), desk.bench.ledger.reserve, asyncio.Event()

    async def slow(*given: Any) -> Any:
        await real(*given)
        decided.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(desk.bench.ledger, "reserve", slow)
    asking = asyncio.create_task(desk.reserve(who))
    await decided.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.gather(*desk.tasks)
    assert await desk.bench.counted() == (0, 0, 0)


async def test_a_hold_is_given_back_although_the_ledger_stays_away_for_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, ledger = holder(budget(100)), desk.bench.ledger
    reserve, release, away = ledger.reserve, ledger.release, iter((True, True))

    async def lost(*given: Any) -> Any:
        await reserve(*given)
        raise LedgerUnavailable("the reply was lost")

    async def flaky(*given: Any, **more: Any) -> Any:
        if next(away, False):
            raise LedgerUnavailable("away")
        return await release(*given, **more)

    monkeypatch.setattr(ledger, "reserve", lost)
    monkeypatch.setattr(ledger, "release", flaky)
    with pytest.raises(LedgerUnavailable):
        await desk.reserve(who)
    await asyncio.gather(*desk.tasks)
    assert await desk.bench.counted() == (0, 0, 0)
