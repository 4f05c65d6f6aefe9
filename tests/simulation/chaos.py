"""Chaos: every chance of a run comes from one generator, and every fault from one set of rates."""

import random
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Chaos:
    """The seed's chance. `calm` ends all faults; the run goes on until everything has come to its end."""

    random: random.Random
    calm: bool = False
    #: How much of each fault this run has, by its name; drawn at its first use.
    rates: dict[str, float] = field(default_factory=dict)
    hits: dict[str, int] = field(default_factory=dict)

    def hit(self, fault: str, most: float) -> bool:
        """Tell whether a fault happens; its rate is between nothing and `most`, and the same for a whole run."""
        if self.calm:
            return False
        rate = self.rates.get(fault)
        if rate is None:
            rate = self.rates[fault] = self.random.choice((0.0, 0.3, 1.0, 1.0)) * most
        happens = rate > 0 and self.random.random() < rate
        if happens:
            self.hits[fault] = self.hits.get(fault, 0) + 1
        return happens

    def delay(self, usual_s: float, fault: str, most: float, longest_s: float) -> float:
        """Give a delay about the usual one, or a long one."""
        if self.hit(fault, most):
            return self.random.uniform(usual_s, longest_s)
        return usual_s * self.random.uniform(0.5, 2)

    def weighed(self, choices: dict[T, float]) -> T:
        """Choose by weight."""
        return self.random.choices(list(choices), list(choices.values()))[0]
