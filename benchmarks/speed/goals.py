"""Goals: ratios between proxies within one run, so that a slow machine is slow for all of them."""

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.speed.peers.peer import CACHED, CREATE, FORWARDED
from benchmarks.speed.rounds import Measured, Started

OURS = "eachlabs-gateway"


class Of(NamedTuple):
    """One median: of which proxy, under which load and crowd."""

    peer: str
    load: str
    crowd: str = "32"


class Goal(NamedTuple):
    """One ratio: what it is, how it is got from a measurement, above what over below what, and its least."""

    name: str
    of: Callable[[Measured], float]
    above: Of
    below: Of
    least: float


def _rate(each: Measured) -> float:
    return each.seen.per_second


def _cpu(each: Measured) -> float:
    return each.cpu_us


def _p50(each: Measured) -> float:
    return each.seen.p50_ms


GOALS = (
    Goal("poll from cache / nginx's poll", _rate, Of(OURS, CACHED), Of("nginx", FORWARDED), 0.5),
    Goal("poll forwarded / nginx's", _rate, Of(OURS, FORWARDED), Of("nginx", FORWARDED), 0.3),
    Goal("poll forwarded / Envoy's", _rate, Of(OURS, FORWARDED), Of("envoy", FORWARDED), 0.9),
    Goal("create / nginx's POST", _rate, Of(OURS, CREATE), Of("nginx", CREATE), 0.16),
    Goal("create / Envoy's POST", _rate, Of(OURS, CREATE), Of("envoy", CREATE), 0.6),
    Goal("Envoy's processor time of a POST / ours", _cpu, Of("envoy", CREATE), Of(OURS, CREATE), 0.8),
    Goal("Envoy's p50 of a POST at c = 4 / ours", _p50, Of("envoy", CREATE, "4"), Of(OURS, CREATE, "4"), 1.0),
    Goal("create / Portkey's chat", _rate, Of(OURS, CREATE), Of("portkey", CREATE), 10),
    Goal("create / LiteLLM's chat with a budget", _rate, Of(OURS, CREATE), Of("litellm", CREATE), 150),
)


def goals(measured: Sequence[Measured], started: Sequence[Started]) -> str:
    """Write what was reached of them, as Markdown; what was not measured is left out."""
    rows = []
    for name, of, above, below, least in GOALS:
        over, under = _median(measured, of, above), _median(measured, of, below)
        if over is not None and under:
            rows.append((name, over / under, least))
    memory = {
        peer: statistics.median(e.worker_mb for e in started if e.peer == peer) for peer in {e.peer for e in started}
    }
    if OURS in memory and "litellm" in memory:
        rows.append(("LiteLLM's memory / a worker's of ours (RSS)", memory["litellm"] / memory[OURS], 8))
    lines = (
        f"| {name} | {least:g} | {found:.2f} | {'yes' if found >= least else 'no'} |" for name, found, least in rows
    )
    return "\n".join(("| ratio of medians | goal | found | reached |\n|---|--:|--:|---|", *lines))


def _median(measured: Sequence[Measured], of: Callable[[Measured], float], where: Of) -> float | None:
    found = [of(each) for each in measured if (each.peer, each.load, each.crowd) == where]
    return statistics.median(found) if found else None
