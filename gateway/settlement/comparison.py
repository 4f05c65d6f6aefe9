"""The comparison: what the ledger charged beside what upstream billed, prediction by prediction."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from gateway.domain.reservation import How, Reservation, State
from gateway.domain.window import MICROSECONDS
from gateway.settlement.listing import Listing
from gateway.upstream.answers import Execution, Phase, Reading

#: Both sides are read so much further than the period, since an execution begins a little after its admission.
MARGIN_US = 900 * MICROSECONDS
#: Upstream's list may show an execution so much later than it runs, and a create hear of it so much later.
YOUNG_US = 120 * MICROSECONDS


class Result(StrEnum):
    """What the comparison says of one prediction."""

    MATCHED = "matched"
    DIFFERS = "amount_differs"
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    UNDECIDED = "undecided"


#: What is wrong, and makes the command fail.
DIFFERENCES = frozenset((Result.DIFFERS, Result.MISSING_HERE, Result.MISSING_THERE))


class Row(NamedTuple):
    """One prediction: what it was charged here and billed there (units of 1e-8 USD), None where nothing says.

    `at_us` is its admission, or its creation upstream where the ledger has none.
    """

    account: str
    result: Result
    prediction: str
    reservation: str
    tenant: str
    key: str
    model: str
    at_us: int
    charged: int | None
    billed: int | None
    note: str


class Period(NamedTuple):
    """The span that is compared, and when: microseconds of the store, `until_us` not included."""

    from_us: int
    until_us: int
    now_us: int

    def has(self, at_us: int) -> bool:
        """Tell whether a time is in the period."""
        return self.from_us <= at_us < self.until_us


def compare(history: Mapping[str, Sequence[Reservation]], bills: Mapping[str, Listing], period: Period) -> list[Row]:
    """Compare the ledgers of all accounts with their bills; both by account, both MARGIN_US wider than the period.

    Accounts may share an organisation upstream, whose list then shows the executions of all of them: one is missing
    here only where no account has it.
    """
    everyone = [each for found in history.values() for each in found]
    known = {each.prediction for each in everyone if each.prediction}
    awaiting = [each for each in everyone if each.prediction is None and each.cost is None]
    rows: list[Row] = []
    for account, whole in bills.items():
        bill = whole._replace(executions=_joined(whole.executions))
        executions = {execution.id: execution for execution in bill.executions}
        for reservation in history[account]:
            late = _found_late(reservation, bill, known)
            known.update(execution.id for execution in late)
            if period.has(reservation.admitted_us):
                rows += _of_reservation(reservation, late, executions, period)
        rows += _of_executions(account, bill, known, awaiting, period)
        known.update(executions)
    return sorted(rows, key=lambda row: (row.account, row.at_us))


def _joined(executions: Sequence[Execution]) -> list[Execution]:
    """Put the steps of each workflow's execution together into one, under its id, since it is charged as one."""
    alone = [each for each in executions if not each.workflow]
    steps: dict[str, list[Execution]] = {}
    for each in executions:
        if each.workflow:
            steps.setdefault(each.workflow, []).append(each)
    return alone + [_sum(workflow, parts) for workflow, parts in steps.items()]


def _sum(workflow: str, steps: Sequence[Execution]) -> Execution:
    costs = [step.reading.cost for step in steps]
    cost = None if None in costs else sum(each or 0 for each in costs)
    running = next((step.reading for step in steps if not step.reading.ended), None)
    reading = (running or Reading(Phase.SUCCEEDED, "completed", None))._replace(cost=cost)
    return Execution(workflow, "(workflow)", reading, min(step.created_us for step in steps))


def _of_executions(
    account: str, bill: Listing, known: set[str], awaiting: Sequence[Reservation], period: Period
) -> Iterator[Row]:
    """Give the executions that no reservation has, save those of which a create may still be told."""
    for execution in bill.executions:
        at_us = execution.created_us - bill.ahead_us
        if execution.id in known or not period.has(at_us):
            continue
        expected = any(
            each.model == execution.model and abs(at_us - each.admitted_us) < YOUNG_US for each in awaiting
        )
        result = Result.UNDECIDED if expected else Result.MISSING_HERE
        note = "may be a create whose answer is awaited" if expected else f"upstream says {execution.reading.status}"
        cost = execution.reading.cost if execution.reading.ended else None
        yield Row(account, result, execution.id, "", "", "", execution.model, at_us, None, cost, note)


def _found_late(reservation: Reservation, bill: Listing, known: set[str]) -> list[Execution]:
    """Find the execution of what was charged after it had been released, or by its usage: the ledger has no id of it,
    so it is the first that nobody has of its model, cost and time."""
    late = reservation.state is State.RELEASED and bool(reservation.cost)
    unnamed = reservation.how is How.METERED and reservation.prediction == reservation.id
    if not late and not unnamed:
        return []
    alike = (
        execution
        for execution in bill.executions
        if execution.id not in known
        and reservation.model in (execution.model, execution.requested)
        and execution.reading.cost == reservation.cost
        and abs(execution.created_us - bill.ahead_us - reservation.admitted_us) < YOUNG_US
    )
    return list(islice(alike, 1))


def _of_reservation(
    reservation: Reservation, late: Sequence[Execution], there: Mapping[str, Execution], period: Period
) -> Iterator[Row]:
    """Judge one reservation; a released one charged nothing, mostly, and has no prediction to look for."""
    execution = there.get(reservation.prediction or "")
    if reservation.state is State.RELEASED and not reservation.cost:
        return
    if late:
        how = "by its usage" if reservation.how is How.METERED else "late"
        yield _row(reservation, Result.MATCHED, reservation.cost, f"charged {how}; by its cost and time {late[0].id}")
    elif execution is not None:
        yield _beside(reservation, execution)
    elif reservation.prediction is None and reservation.cost is None:
        yield _row(reservation, Result.UNDECIDED, None, f"its create is {reservation.state.replace('_', ' ')}")
    elif period.now_us - reservation.admitted_us < YOUNG_US:
        yield _row(reservation, Result.UNDECIDED, None, "too young to be in upstream's list for sure")
    elif reservation.prediction is None:
        how = "late" if reservation.how is How.LATE else "by assumption"
        yield _row(reservation, Result.MISSING_THERE, None, f"not found upstream; charged {how}")
    else:
        yield _row(reservation, Result.MISSING_THERE, None, f"{reservation.state} here")


def _beside(reservation: Reservation, execution: Execution) -> Row:
    reading = execution.reading
    if reservation.state is not State.SETTLED or not reading.ended:
        running = [
            place for place, ended in (("here", reservation.cost is not None), ("there", reading.ended)) if not ended
        ]
        return _row(reservation, Result.UNDECIDED, None, f"still running {' and '.join(running)}")
    billed = reading.cost
    if billed is None and reading.phase is Phase.SUCCEEDED:
        return _row(reservation, Result.UNDECIDED, None, "upstream's list states no cost")
    same = reservation.cost == (billed or 0)
    note = "charged by assumption" if reservation.how is How.ASSUMED else ""
    return _row(reservation, Result.MATCHED if same else Result.DIFFERS, billed or 0, note)


def _row(reservation: Reservation, result: Result, billed: int | None, note: str) -> Row:
    return Row(
        reservation.account,
        result,
        reservation.prediction or "",
        reservation.id,
        reservation.tenant,
        reservation.key,
        reservation.model,
        reservation.admitted_us,
        reservation.cost,
        billed,
        note,
    )
