"""Scenarios: how many replicas there are, and what goes wrong."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.accuracy.calls import Fault


@dataclass(frozen=True, slots=True)
class Scenario:
    """Shares of faults among the calls (the rest goes well), replicas on one store, and whether all crash midway."""

    name: str
    what: str
    faults: tuple[tuple[Fault, float], ...] = ()
    replicas: int = 1
    crash: bool = False


_REFUSALS = ((Fault.REFUSED, 0.15), (Fault.FAILED, 0.15))
_LOST = ((Fault.ERROR_BEFORE, 0.05), (Fault.ERROR_AFTER, 0.05), (Fault.CUT_BEFORE, 0.05), (Fault.CUT_AFTER, 0.05))

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("crowd", "nothing goes wrong"),
        Scenario("replicas", "two replicas on one store", replicas=2),
        Scenario("refusals", "30 % of the calls are refused or fail upstream, and cost nothing", _REFUSALS),
        Scenario("lost answers", "20 % of the calls end in a 500 or a cut, half of them billed", _LOST),
        Scenario("crash", "every process of the gateway is killed (SIGKILL) midway", crash=True),
        Scenario("everything", "two replicas, all of these faults, and the crash", _REFUSALS + _LOST, 2, True),
    )
}
