"""The judge of the accuracy benchmark: what passes a cap, and which refusals had no reason."""

from decimal import Decimal

from benchmarks.accuracy.calls import UNIT_USD, Answer, Call, End, Fault, draw
from benchmarks.accuracy.judge import Verdict, judge

CAP = 10 * UNIT_USD


def answer(end: End, units: int, sent: float, answered: float, freed: float | None = None, kept: int = 0) -> Answer:
    call = Call("t", 0, units, Fault.OK, 0)
    return Answer(call, end, sent, answered, call.usd, freed, kept * UNIT_USD)


def judged(*answers: Answer, billed: int = 0) -> Verdict:
    return judge(CAP, billed * UNIT_USD, answers)


def test_what_is_billed_above_the_cap_is_overspent_in_percent_of_it() -> None:
    assert judged(billed=10).overspend_percent == 0
    assert judged(billed=13).overspend_percent == 30


def test_a_refusal_is_wrongful_exactly_where_the_hold_fits_beside_all_others() -> None:
    held = answer(End.ADMITTED, 7, 0, 1)
    assert judged(held, answer(End.REFUSED, 3, 2, 3)).wrongful == 1
    assert judged(held, answer(End.REFUSED, 4, 2, 3)).wrongful == 0


def test_what_may_be_running_is_held_as_what_was_admitted_is() -> None:
    assert judged(answer(End.UNKNOWN, 8, 0, 1), answer(End.REFUSED, 3, 2, 3)).wrongful == 0


def test_what_was_refused_holds_nothing_so_that_two_refusals_are_no_reason_for_each_other() -> None:
    verdict = judged(answer(End.REFUSED, 6, 0, 3), answer(End.REFUSED, 6, 0, 3))
    assert (verdict.wrongful, verdict.wrongful_percent) == (2, 100)


def test_what_was_sent_while_a_refusal_was_decided_may_have_come_before_it_and_what_was_sent_later_not() -> None:
    refused = answer(End.REFUSED, 3, 2, 4)
    assert judged(refused, answer(End.ADMITTED, 8, 3, 5)).wrongful == 0
    assert judged(refused, answer(End.ADMITTED, 8, 5, 6)).wrongful == 1


def test_what_was_given_back_or_settled_before_is_held_no_more_and_counts_at_its_cost() -> None:
    refused = answer(End.REFUSED, 3, 4, 5)
    assert judged(answer(End.GIVEN_BACK, 8, 0, 1, freed=1), refused).wrongful == 1
    assert judged(answer(End.GIVEN_BACK, 8, 0, 4.5, freed=4.5), refused).wrongful == 0
    assert judged(answer(End.ADMITTED, 8, 0, 1, freed=2, kept=7), refused).wrongful == 1
    assert judged(answer(End.ADMITTED, 8, 0, 1, freed=2, kept=8), refused).wrongful == 0


def test_a_seed_draws_the_same_calls_again_and_their_text_says_all_of_them() -> None:
    faults = ((Fault.REFUSED, 0.5), (Fault.CUT_AFTER, 0.25))
    drawn = draw(7, "t", 4, 50, faults)
    assert drawn == draw(7, "t", 4, 50, faults) != draw(8, "t", 4, 50, faults)
    calls = [call for calls in drawn for call in calls]
    assert {call.fault for call in calls} == {Fault.OK, Fault.REFUSED, Fault.CUT_AFTER}
    assert len({call.number for call in calls}) == 200
    assert [Call.parse(call.text, call.units) for call in calls] == calls


def test_a_budget_of_cents_is_judged_without_a_rounding() -> None:
    thirds = Verdict(Decimal("0.30"), Decimal("0.1") * 3, 1, 1, 0, 0)
    assert thirds.overspend_percent == 0
