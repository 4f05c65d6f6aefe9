"""The schedule: when to look at a prediction that nobody polls, by how long its model usually runs.

Pure reckoning, without I/O. Looks fall on ticks of the store's clock, so that one list of upstream's answers for all
that are due together, on whichever worker; and between two looks at one prediction lie no more than LONGEST_SECONDS,
however sure the record is, since a run may fail at once.
"""

from bisect import bisect_right
from collections.abc import Sequence

from gateway.domain.window import MICROSECONDS

#: Looks fall on multiples of this.
TICK_SECONDS = 2.0
#: With a tick and the pauses of workers, what nobody polls is settled within 10 s of its end.
LONGEST_SECONDS = 6.0
#: Fewer recorded runs say too little.
FEWEST_RUNS = 3
#: A look is due when so much of the runs that took longer than this one has, had ended.
SHARE = 0.5


def seconds_to_look(runs: Sequence[float], usual_s: float, elapsed_s: float, now_us: int) -> float:
    """Say in how many seconds to look at a prediction that has run for `elapsed_s`.

    `runs` are the recorded run times of its model, shortest first; with too few of them `usual_s` is believed.
    `now_us` is the store's time.
    """
    wait_s = min(_expected(runs, usual_s, elapsed_s) - elapsed_s, LONGEST_SECONDS)
    tick_us = int(TICK_SECONDS * MICROSECONDS)
    at_us = now_us + int(max(wait_s, 0) * MICROSECONDS)
    return ((at_us // tick_us + 1) * tick_us - now_us) / MICROSECONDS


def _expected(runs: Sequence[float], usual_s: float, elapsed_s: float) -> float:
    """Say how long a run will probably have taken when it ends; the elapsed time where the record says nothing."""
    if len(runs) < FEWEST_RUNS:
        return max(usual_s, elapsed_s)
    past = bisect_right(runs, elapsed_s)
    longer = runs[past:]
    return longer[int(len(longer) * SHARE)] if longer else elapsed_s + LONGEST_SECONDS
