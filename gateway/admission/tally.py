"""The tally of a replay: how many creates came out in which way then, and would now, and what money that is."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.admission.replay import ADMITTED
from gateway.admission.wish import Wish


class Outcome(NamedTuple):
    """What came of creates then, and what would now."""

    tenant: str
    then: str
    now: str


@dataclass
class Tally:
    """What a replay found: creates and estimates (units of 1e-8 USD) by outcome, and what it could not tell."""

    creates: Counter[Outcome] = field(default_factory=Counter)
    estimates: Counter[Outcome] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, wish: Wish, now: str) -> None:
        """Count a create."""
        outcome = Outcome(wish.tenant, wish.then, now)
        self.creates[outcome] += 1
        self.estimates[outcome] += wish.estimate

    def changed(self) -> list[Outcome]:
        """Give the outcomes that are not what they were."""
        return sorted(outcome for outcome in self.creates if outcome.then != outcome.now)

    def unchanged(self, *, admitted: bool) -> tuple[int, int]:
        """Count the creates that come out as they did, and add their estimates."""
        same = [each for each in self.creates if each.then == each.now and (each.now == ADMITTED) is admitted]
        return sum(self.creates[each] for each in same), sum(self.estimates[each] for each in same)
