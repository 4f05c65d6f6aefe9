"""Which executions belong to which doubts: pure reasoning over two lists."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.reservation import Reservation, State
from gateway.settlement.doubts import Doubt, Findings, chains, resolve
from gateway.upstream.answers import Execution, Phase, Reading

SPAN = 40


def doubt(id_: str, at: int = 0, tenant: str = "t", model: str = "m", hold: int = 10) -> Doubt:
    reservation = Reservation(id_, State.IN_DOUBT, "up", tenant, "k", model, "v1", "main", hold, hold, admitted_us=at)
    return Doubt(reservation, at, at + SPAN)


def execution(id_: str, at: int = 0, model: str = "m") -> Execution:
    return Execution(id_, model, Reading(Phase.SUCCEEDED, "success", 10), at)


def names(found: Findings) -> tuple[dict[str, str], list[str], list[str]]:
    return (
        {match.reservation.id: match.execution.id for match in found.matches},
        [each.id for each in found.absent],
        [each.id for each in found.contested],
    )


def test_doubts_of_one_tenant_with_equal_model_and_hold_are_interchangeable() -> None:
    doubts = [doubt("b", 5), doubt("a", 0), doubt("c", 9)]
    found = resolve(doubts, [execution("y", 20), execution("x", 10)])
    assert names(found) == ({"c": "y", "b": "x"}, ["a"], [])


def test_an_execution_that_could_be_either_tenants_is_neithers() -> None:
    doubts = [doubt("a", tenant="t"), doubt("b", tenant="s")]
    assert names(resolve(doubts, [execution("x", 10)])) == ({}, [], ["a", "b"])
    assert names(resolve(doubts, [execution("x", 10), execution("y", 11)])) == ({}, [], ["a", "b"])


def test_equal_doubts_of_another_hold_are_not_interchangeable() -> None:
    assert names(resolve([doubt("a", hold=10), doubt("b", hold=11)], [execution("x", 1)])) == ({}, [], ["a", "b"])


def test_a_span_includes_its_ends_and_nothing_beyond() -> None:
    for at, found in ((-1, {}), (0, {"a": "x"}), (SPAN, {"a": "x"}), (SPAN + 1, {})):
        assert names(resolve([doubt("a")], [execution("x", at)]))[0] == found


def test_another_model_proves_nothing() -> None:
    assert names(resolve([doubt("a")], [execution("x", 5, "other")])) == ({}, ["a"], [])


def test_more_executions_than_doubts_leave_the_earlier_ones_to_nobody() -> None:
    executions = [execution("z", 7), execution("y", 6), execution("x", 5)]
    assert names(resolve([doubt("a"), doubt("b", 1)], executions)) == ({"b": "z", "a": "y"}, [], [])


def test_an_execution_that_only_one_could_be_settles_whose_the_other_is() -> None:
    doubts = [doubt("a", 0, "t"), doubt("b", 20, "s")]
    assert names(resolve(doubts, [execution("x", 10), execution("y", 30)])) == ({"a": "x", "b": "y"}, [], [])


def test_a_group_that_another_tenant_has_a_part_in_is_left_alone() -> None:
    """The younger of two equal doubts ran, and the older one's execution has yet to appear in the list."""
    doubts = [doubt("a", 0, "t"), doubt("b", 1, "s"), doubt("c", 30, "t")]
    assert names(resolve(doubts, [execution("z", 35)])) == ({}, [], ["a", "b", "c"])
    late = [execution("z", 35), execution("x", 5)]
    assert names(resolve(doubts, late)) == ({}, [], ["a", "b", "c"])


def test_the_newest_goes_to_the_doubt_that_began_last() -> None:
    doubts = [doubt("a", 0), doubt("c", 30), doubt("b", 1, "s", model="n")]
    assert names(resolve(doubts, [execution("z", 35)])) == ({"c": "z"}, ["a", "b"], [])


def test_one_tenants_own_span_is_enough_to_tell_it_from_another() -> None:
    doubts = [doubt("a", 0, "t"), doubt("b", 100, "s")]
    found = resolve(doubts, [execution("y", 110), execution("x", 10)])
    assert names(found) == ({"a": "x", "b": "y"}, [], [])


def test_what_is_withheld_is_nobodys_but_keeps_its_doubt_from_being_absent() -> None:
    doubts = [doubt("a"), doubt("b", 100), doubt("c", 200)]
    found = resolve(doubts, [execution("x", 110)], [execution("y", 10), execution("z", 90)])
    assert names(found) == ({"b": "x"}, ["c"], ["a"])


def test_a_rival_that_was_not_asked_for_can_be_found_but_never_absent() -> None:
    doubts = [doubt("a"), doubt("b", 100), doubt("c", 200), doubt("d", 200, "s")]
    found = resolve(doubts, [execution("x", 110), execution("y", 210)])
    assert names(found.among({"c"})) == ({"b": "x"}, [], ["c"])


def test_of_equal_doubts_none_is_given_anything_before_the_list_is_complete_for_all_of_them() -> None:
    doubts, executions = [doubt("a", 0), doubt("c", 30)], [execution("z", 35)]
    assert names(resolve(doubts, executions, final_us=30 + SPAN)) == ({}, [], ["a", "c"])
    assert names(resolve(doubts, executions, final_us=31 + SPAN)) == ({"c": "z"}, ["a"], [])


def test_of_equal_doubts_none_is_given_anything_while_something_withheld_could_be_one_of_theirs() -> None:
    doubts = [doubt("a", 0), doubt("c", 30)]
    assert names(resolve(doubts, [execution("z", 35)], [execution("y", 60)])) == ({}, [], ["a", "c"])


def test_a_chain_is_of_one_model_and_linked_by_overlaps() -> None:
    doubts = [doubt("d", 2 * SPAN + 1), doubt("b", SPAN), doubt("n", 1, model="n"), doubt("a", 0), doubt("c", SPAN)]
    found = [[each.reservation.id for each in chain] for chain in chains(doubts)]
    assert sorted(map(sorted, found)) == [["a", "b", "c"], ["d"], ["n"]]


def test_nothing_is_found_in_nothing() -> None:
    assert names(resolve([], [execution("x")])) == ({}, [], [])
    assert names(resolve([doubt("a")], [])) == ({}, ["a"], [])


DOUBTS = st.lists(
    st.builds(
        doubt,
        st.uuids().map(str),
        st.integers(0, 120),
        st.sampled_from(("t", "s")),
        st.sampled_from(("m", "n")),
        st.sampled_from((10, 20)),
    ),
    max_size=8,
    unique_by=lambda each: each.reservation.id,
)
EXECUTIONS = st.lists(
    st.builds(execution, st.uuids().map(str), st.integers(-5, 170), st.sampled_from(("m", "n", "o"))),
    max_size=8,
    unique_by=lambda each: each.id,
)


@given(DOUBTS, EXECUTIONS, st.randoms())
def test_whatever_the_lists_each_is_used_once_and_in_any_order_alike(
    doubts: list[Doubt], executions: list[Execution], chance: object
) -> None:
    found = resolve(doubts, executions)
    chance.shuffle(doubts)  # type: ignore[attr-defined]
    chance.shuffle(executions)  # type: ignore[attr-defined]
    assert resolve(doubts, executions) == found
    matched, absent, contested = names(found)
    assert len(set(matched.values())) == len(matched) == len(found.matches)
    assert sorted([*matched, *absent, *contested]) == sorted(each.reservation.id for each in doubts)


@given(DOUBTS, EXECUTIONS)
def test_a_match_could_be_no_other_tenants_and_what_is_absent_has_no_candidate_left(
    doubts: list[Doubt], executions: list[Execution]
) -> None:
    found = resolve(doubts, executions)
    spans = {each.reservation.id: each for each in doubts}
    used = {match.execution.id for match in found.matches}
    taken: set[str] = set()
    for match in found.matches:
        mine = spans[match.reservation.id]
        assert mine.from_us <= match.execution.created_us <= mine.until_us
        rivals = [each for each in doubts if each.reservation.id not in taken and fits(each, match.execution)]
        assert {each.reservation.tenant for each in rivals} == {match.reservation.tenant}
        taken.add(match.reservation.id)
    for each in found.absent:
        assert not [e for e in executions if e.id not in used and fits(spans[each.id], e)]


def fits(each: Doubt, found: Execution) -> bool:
    return each.reservation.model == found.model and each.from_us <= found.created_us <= each.until_us
