"""Alerts: a threshold is noticed by the create that reaches it, once in its window, and kept until it was told."""

from gateway.domain.limit import Limit, LimitKind, Mode
from gateway.domain.reservation import How
from gateway.domain.window import WindowName
from gateway.ledger.alerts import AGAIN_US, WATCH_US, Alert, Alerts
from gateway.ledger.audit import Auditor
from gateway.ledger.decisions import OverLimit
from ledger.bench import ACCOUNT, NOON_US, SCRIPTS, SECOND, TENANT, Bench, budget, count, nothing_changes

SHARES = (0.5, 0.8, 1.0)


def alerts_of(bench: Bench) -> Alerts:
    return Alerts(bench.store, SCRIPTS, bench.account)


async def told(bench: Bench) -> list[Alert]:
    """Claim what is to be told, and forget it."""
    alerts = alerts_of(bench)
    found = (await alerts.claim()).alerts
    assert (await alerts.claim([alert.id for alert in found])).alerts == ()
    return list(found)


def names(found: list[Alert]) -> list[tuple[str, str]]:
    return [(alert.limit, alert.share) for alert in found]


async def test_each_threshold_is_raised_once_by_the_create_that_reaches_it(bench: Bench) -> None:
    postings = bench.postings(budget(100, id="daily", alert_at=SHARES))
    raised = []
    for hold in (49, 1, 29, 1, 19, 1):
        await bench.admit(postings, hold)
        raised.append(names(await told(bench)))
    assert raised == [[], [("daily", "0.5")], [], [("daily", "0.8")], [], [("daily", "1.0")]]


async def test_an_alert_says_what_was_reached_when_and_where(bench: Bench) -> None:
    postings = bench.postings(budget(100, id="daily", alert_at=(0.5,)))
    await bench.settled(postings, 20)
    await bench.admit(postings, 45)
    (found,) = await told(bench)
    expected = ("up", TENANT, "daily", LimitKind.BUDGET, "day", "0.5", 100, 20, 45, NOON_US, NOON_US + 43200 * SECOND)
    assert found == (found.id, *expected)


async def test_one_create_may_reach_several_thresholds_of_several_limits(bench: Bench) -> None:
    limits = (
        budget(100, id="money", alert_at=(0.5, 0.8)),
        count(2, id="number", alert_at=(0.5,)),
        budget(1000, ACCOUNT, id="all", alert_at=(0.08,)),
        budget(50, id="trial", mode=Mode.SHADOW, alert_at=(1.0,)),
    )
    await bench.admit(bench.postings(*limits), 80)
    expected = [("money", "0.5"), ("money", "0.8"), ("number", "0.5"), ("all", "0.08"), ("trial", "1.0")]
    assert sorted(names(await told(bench))) == sorted(expected)
    counted = await bench.views.alerts()
    assert counted[ACCOUNT, "all", "0.08"] == counted[TENANT, "money", "0.8"] == 1


async def test_a_use_that_falls_and_rises_again_is_not_news(bench: Bench) -> None:
    postings = bench.postings(budget(100, alert_at=(0.5,)))
    for _ in range(3):
        held = await bench.admit(postings, 50)
        await bench.ledger.release(held.id, sent=False, reason="refused")
    assert len(await told(bench)) == 1


async def test_the_next_window_raises_its_own(bench: Bench) -> None:
    postings = bench.postings(budget(100, id="m", window=WindowName.MINUTE, alert_at=(0.5,)))
    for _ in range(3):
        await bench.admit(postings, 50)
        await bench.advance(60)
    found = await told(bench)
    assert (len(found), len({alert.id for alert in found})) == (3, 3)
    assert (await bench.views.alerts())[TENANT, "m", "0.5"] == 3


async def test_a_limit_of_another_amount_warns_at_its_own_thresholds(bench: Bench) -> None:
    def daily(amount: int) -> Limit:
        return budget(amount, id="daily", alert_at=(0.5,))

    await bench.admit(bench.postings(daily(100)), 50)
    await bench.admit(bench.postings(daily(200)), 49)
    assert len(await told(bench)) == 1
    await bench.admit(bench.postings(daily(200)), 1)
    await bench.admit(bench.postings(daily(100)), 0)
    assert [alert.amount for alert in await told(bench)] == [200]


async def test_refusals_quotes_and_repeats_raise_nothing(bench: Bench) -> None:
    postings = bench.postings(budget(100, alert_at=(0.5,)))
    await bench.prime(postings)
    assert isinstance(await nothing_changes(bench, bench.reserve(postings, 101)), OverLimit)
    await nothing_changes(bench, bench.reserve(postings, 90, dry=True))
    order = bench.order(90)
    await bench.ledger.reserve(order, postings, [(f"k{n}", 9, 9) for n in range(2)])
    assert len(await told(bench)) == 1
    await nothing_changes(bench, bench.ledger.reserve(order, postings, [("k0", 9, 9)]))


async def test_an_alert_that_is_not_told_in_time_is_claimed_again_under_the_same_id(bench: Bench) -> None:
    await bench.admit(bench.postings(budget(100, alert_at=(0.5,))), 60)
    alerts = alerts_of(bench)
    first = (await alerts.claim()).alerts
    assert (await alerts.claim()).alerts == ()
    await bench.advance(AGAIN_US / SECOND)
    again = (await alerts.claim()).alerts
    assert first == again != ()
    assert await told(bench) == []


async def test_some_worker_is_asked_to_look_over_the_limits_now_and_then(bench: Bench) -> None:
    one, other = alerts_of(bench), alerts_of(bench)
    assert [(await each.claim()).watch for each in (one, other, one)] == [True, False, False]
    await bench.advance(WATCH_US / SECOND)
    assert [(await each.claim()).watch for each in (other, one)] == [True, False]


async def test_an_overrun_and_a_lowered_limit_are_seen_by_the_next_watch_and_once(bench: Bench) -> None:
    plain, counted = budget(100, id="daily", alert_at=(0.5, 1.0)), count(3, id="n", alert_at=(0.9,))
    postings = bench.postings(plain, counted)
    for _ in range(3):
        held = await bench.admit(postings, 10)
    await told(bench)
    await bench.ledger.confirm(held.id, "p", 5)
    await bench.ledger.settle(held.id, 35, How.EXACT, "success")
    alerts = alerts_of(bench)
    for _ in range(2):
        await alerts.watch([plain, counted, budget(500)], NOON_US)
    assert names(await told(bench)) == [("daily", "0.5")]
    await alerts.watch([budget(55, id="daily", alert_at=(1.0,)), counted], NOON_US)
    assert names(await told(bench)) == [("daily", "1.0")]


async def test_a_watch_leaves_alone_what_is_behind_its_scope_or_over(bench: Bench) -> None:
    limit = budget(100, alert_at=(0.5,))
    await bench.admit(bench.postings(limit), 40)
    await bench.settled(bench.postings(), 30)  # by a worker that knows of no limit
    alerts = alerts_of(bench)
    await nothing_changes(bench, alerts.watch([limit], NOON_US))
    await bench.prime(bench.postings(limit))
    await nothing_changes(bench, alerts.watch([limit], NOON_US - 86400 * SECOND))
    await alerts.watch([limit], NOON_US)
    assert [(alert.used, alert.held) for alert in await told(bench)] == [(30, 40)]


async def test_marks_leave_the_audit_and_a_new_limits_seed_as_they_were(bench: Bench) -> None:
    limit = budget(100, alert_at=SHARES)
    await bench.admit(bench.postings(limit), 90)
    await bench.admit(bench.postings(), 5)  # so that the counter is behind, and seeded by the next
    await bench.admit(bench.postings(limit), 4)
    assert names(await told(bench)) == [(limit.id, "0.5"), (limit.id, "0.8")]
    assert (await Auditor(bench.store, SCRIPTS, bench.account).verify()).faults == []
