"""The ledger beside upstream's bill: what each pair says, and what cannot be decided."""

import pytest

from gateway.domain.reservation import How, Reservation, State
from gateway.settlement.comparison import YOUNG_US, Period, Result, Row, compare
from gateway.settlement.listing import Listing
from gateway.upstream.answers import Execution, Phase, Reading

HOUR_US = 3600 * 1_000_000
NOW_US = 500 * HOUR_US
PERIOD = Period(400 * HOUR_US, 490 * HOUR_US, NOW_US)
AT_US = 450 * HOUR_US
SETTLED = Reservation(
    id="res_1",
    state=State.SETTLED,
    account="a",
    tenant="t",
    key="k",
    model="m",
    price_version="v",
    upstream_key="main",
    estimate=10,
    hold=10,
    admitted_us=AT_US,
    cost=10,
    how=How.EXACT,
    prediction="p1",
)
RUNNING = SETTLED._replace(state=State.RUNNING, cost=None, how=None)
DOUBTED = RUNNING._replace(state=State.IN_DOUBT, prediction=None)


def billed(cost: int | None = 10, *, id: str = "p1", at_us: int = AT_US, phase: Phase = Phase.SUCCEEDED) -> Execution:
    return Execution(id, "m", Reading(phase, phase.value, cost), at_us)


def one(reservation: Reservation | None, execution: Execution | None, ahead_us: int = 0) -> Row | None:
    """Compare one of each; gives the row, None where there is none."""
    history = {"a": [reservation] if reservation else []}
    rows = compare(history, {"a": Listing([execution] if execution else [], ahead_us)}, PERIOD)
    assert len(rows) <= 1
    return rows[0] if rows else None


def test_a_chat_that_was_charged_by_its_usage_has_the_execution_of_its_name_cost_and_time() -> None:
    chat = SETTLED._replace(model="openai/gpt", how=How.METERED, prediction="r1", id="r1")
    there = billed(id="e1")._replace(model="eachlabs-llm-router", requested="openai/gpt")
    row = one(chat, there)
    assert row is not None
    assert (row.result, row.note) == (Result.MATCHED, "charged by its usage; by its cost and time e1")
    rows = compare({"a": [chat]}, {"a": Listing([there._replace(requested="openai/other")], 0)}, PERIOD)
    assert {each.result for each in rows} == {Result.MISSING_HERE, Result.MISSING_THERE}


def test_a_workflow_is_compared_with_the_sum_of_its_steps() -> None:
    workflow = SETTLED._replace(model="workflow/wf", cost=30)
    steps = [billed(10, id=f"step{number}")._replace(workflow="p1") for number in range(3)]
    (row,) = compare({"a": [workflow]}, {"a": Listing(steps, 0)}, PERIOD)
    assert (row.result, row.billed) == (Result.MATCHED, 30)
    (row,) = compare({"a": [workflow]}, {"a": Listing(steps[:2], 0)}, PERIOD)
    assert (row.result, row.billed) == (Result.DIFFERS, 20)


@pytest.mark.parametrize(
    ("reservation", "execution", "result", "note"),
    [
        (SETTLED, billed(), Result.MATCHED, ""),
        (SETTLED._replace(cost=0), billed(0, phase=Phase.FAILED), Result.MATCHED, ""),
        (SETTLED._replace(cost=0), billed(None, phase=Phase.CANCELLED), Result.MATCHED, ""),
        (SETTLED, billed(11), Result.DIFFERS, ""),
        (SETTLED, billed(0, phase=Phase.FAILED), Result.DIFFERS, ""),
        (SETTLED._replace(how=How.ASSUMED), billed(0), Result.DIFFERS, "charged by assumption"),
        (SETTLED, billed(None), Result.UNDECIDED, "states no cost"),
        (RUNNING, billed(), Result.UNDECIDED, "still running here"),
        (SETTLED, billed(phase=Phase.RUNNING), Result.UNDECIDED, "still running there"),
        (RUNNING, billed(phase=Phase.RUNNING), Result.UNDECIDED, "still running here and there"),
        (None, billed(), Result.MISSING_HERE, "succeeded"),
        (SETTLED, None, Result.MISSING_THERE, "settled here"),
        (RUNNING, None, Result.MISSING_THERE, "running here"),
        (SETTLED._replace(prediction=None, how=How.ASSUMED), None, Result.MISSING_THERE, "not found upstream"),
        (DOUBTED, None, Result.UNDECIDED, "in doubt"),
        (DOUBTED._replace(state=State.HELD), None, Result.UNDECIDED, "held"),
    ],
)
def test_each_pair_has_its_result_with_the_reason(
    reservation: Reservation | None, execution: Execution | None, result: Result, note: str
) -> None:
    row = one(reservation, execution)
    assert row is not None
    assert (row.result, note in row.note) == (result, True), row


def test_a_released_create_charged_nothing_and_is_not_looked_for() -> None:
    released = SETTLED._replace(state=State.RELEASED, cost=0, how=How.RELEASED, prediction=None)
    assert one(released, None) is None


def test_what_was_charged_late_after_its_release_is_found_by_model_cost_and_time() -> None:
    late = SETTLED._replace(state=State.RELEASED, how=How.LATE, prediction=None)
    row = one(late, billed(id="p9"))
    assert row is not None and (row.result, row.billed, "p9" in row.note) == (Result.MATCHED, 10, True)
    missing = one(late, None)
    assert missing is not None and (missing.result, "charged late" in missing.note) == (Result.MISSING_THERE, True)
    for other in (billed(11, id="p9"), billed(id="p9", at_us=AT_US + YOUNG_US)):
        rows = compare({"a": [late]}, {"a": Listing([other], 0)}, PERIOD)
        assert {row.result for row in rows} == {Result.MISSING_HERE, Result.MISSING_THERE}
    twice = compare({"a": [late, late._replace(id="res_2")]}, {"a": Listing([billed(id="p9")], 0)}, PERIOD)
    assert [row.result for row in twice] == [Result.MATCHED, Result.MISSING_THERE]


def test_what_is_beside_the_period_is_compared_with_what_is_in_it_and_not_told_itself() -> None:
    before = PERIOD.from_us - 1_000_000
    assert one(SETTLED._replace(admitted_us=before), None) is None
    assert one(None, billed(at_us=before)) is None
    late = one(SETTLED._replace(admitted_us=PERIOD.until_us - 1), billed(at_us=PERIOD.until_us + 1_000_000))
    assert late is not None and late.result is Result.MATCHED
    assert one(SETTLED._replace(admitted_us=before), billed(at_us=PERIOD.from_us)) is None


def test_a_period_is_one_of_the_stores_time_whatever_upstreams_clock_shows() -> None:
    ahead = PERIOD.until_us - AT_US + HOUR_US
    row = one(None, billed(at_us=AT_US + ahead), ahead)
    assert row is not None and (row.result, row.at_us) == (Result.MISSING_HERE, AT_US)


def test_a_prediction_of_just_now_may_not_be_listed_yet() -> None:
    now = Period(PERIOD.from_us, NOW_US, NOW_US)
    young = SETTLED._replace(admitted_us=NOW_US - YOUNG_US + 1)
    (row,) = compare({"a": [young]}, {"a": Listing([], 0)}, now)
    assert (row.result, "too young" in row.note) == (Result.UNDECIDED, True)


def test_an_execution_may_be_that_of_a_create_whose_answer_is_awaited() -> None:
    near = DOUBTED._replace(admitted_us=AT_US - 10_000_000)
    far = DOUBTED._replace(admitted_us=AT_US - HOUR_US)
    other = near._replace(model="another")
    for doubt, result in ((near, Result.UNDECIDED), (far, Result.MISSING_HERE), (other, Result.MISSING_HERE)):
        rows = compare({"a": [doubt]}, {"a": Listing([billed(id="p9")], 0)}, PERIOD)
        assert {row.result for row in rows if row.prediction == "p9"} == {result}


def test_accounts_of_one_organisation_see_each_others_executions_and_none_is_told_twice() -> None:
    ours, theirs = SETTLED, SETTLED._replace(id="res_2", account="b", prediction="p2")
    everything = Listing([billed(), billed(id="p2"), billed(7, id="p3")], 0)
    rows = compare({"a": [ours], "b": [theirs]}, {"a": everything, "b": everything}, PERIOD)
    assert sorted((row.account, row.prediction, row.result) for row in rows) == [
        ("a", "p1", Result.MATCHED),
        ("a", "p3", Result.MISSING_HERE),
        ("b", "p2", Result.MATCHED),
    ]
