"""The accuracy benchmark itself, run small against this gateway, and its report."""

from decimal import Decimal

from benchmarks.accuracy.gateways.eachlabs import EachlabsGateway
from benchmarks.accuracy.judge import Verdict
from benchmarks.accuracy.report import table
from benchmarks.accuracy.rounds import Load, Round, play
from benchmarks.accuracy.scenarios import SCENARIOS, Scenario
from gateway.ledger.embedded import find_server

FAULTS = Scenario("small", "every fault, and no crash, which takes its time", SCENARIOS["everything"].faults)


async def test_with_every_fault_nothing_is_overspent_and_nobody_refused_wrongly() -> None:
    (found,) = [each async for each in play(EachlabsGateway(), FAULTS, [Load(12, 48, 1)], find_server(None))]
    verdict = found.verdict
    assert (verdict.overspend_percent, verdict.wrongful, found.sent_twice) == (0, 0, 0)
    # It was tried: the budget was spent, there was refused, and something was lost on the way.
    assert verdict.cap / 2 < verdict.billed <= verdict.cap
    assert verdict.refused > 0
    assert verdict.admitted + verdict.refused < verdict.requests


def test_the_table_adds_up_the_rounds_of_a_line_and_shows_the_worst_overspend() -> None:
    cap = Decimal(10)
    rounds = [
        Round("g", "crowd", Load(8, 16, 0), Verdict(cap, Decimal(9), 16, 10, 6, 0), 0),
        Round("g", "crowd", Load(8, 16, 1), Verdict(cap, Decimal("12.5"), 16, 12, 4, 4), 1),
    ]
    assert table(rounds).splitlines()[-1] == "| g | crowd | 8 | 2 | 32 | 22 | 25.00 % | 12.50 % (4) | 1 |"
