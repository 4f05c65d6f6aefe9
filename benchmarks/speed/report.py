"""The report: medians over the rounds, with what they were measured on."""

import os
import platform
import shlex
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from benchmarks.programs import ROOT
from benchmarks.speed.goals import goals
from benchmarks.speed.peers.peer import CACHED, CREATE, FORWARDED
from benchmarks.speed.rounds import STEADY_PER_SECOND, Measured, Started

HEAD = (
    "| load | proxy | requests/s, c = 32 | CPU µs/request | p50 / p99 ms, c = 4 | p50 / p99 ms, c = 32 |"
    f" p50 / p99 ms at {STEADY_PER_SECOND}/s | failed |\n|---|---|--:|--:|--:|--:|--:|--:|"
)


def report(versions: Mapping[str, str], found: Sequence[Measured | Started], words: Sequence[str]) -> str:
    """Write it as Markdown."""
    measured = [each for each in found if isinstance(each, Measured)]
    started = [each for each in found if isinstance(each, Started)]
    return "\n\n".join((_heading(versions, words), _table(measured), goals(measured, started), _starts(started)))


def _heading(versions: Mapping[str, str], words: Sequence[str]) -> str:
    commit = _said("git", "describe", "--always", "--dirty")
    model = _said("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2")
    command = shlex.join(["python", "-m", "benchmarks.speed", *words])
    lines = [
        f"Commit {commit}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `{command}`.",
        f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}."
        " One core is the proxy's alone; load, stub upstream and store share another."
        f" Load average at the end: {os.getloadavg()[0]:.1f} (this benchmark alone makes about 2).",
        "",
        *(f"- **{name}** {version}" for name, version in versions.items()),
    ]
    return "\n".join(lines)


def _table(measured: Sequence[Measured]) -> str:
    grouped: dict[tuple[str, str], dict[str, list[Measured]]] = defaultdict(lambda: defaultdict(list))
    for each in measured:
        grouped[each.load, each.peer][each.crowd].append(each)
    order = {CACHED: 0, FORWARDED: 1, CREATE: 2}
    rows = [_row(load, peer, found) for (load, peer), found in sorted(grouped.items(), key=lambda x: order[x[0][0]])]
    return "\n".join((HEAD, *rows))


def _row(load: str, peer: str, found: Mapping[str, list[Measured]]) -> str:
    crowd = found["32"]
    failed = sum(each.seen.failed for crowd in found.values() for each in crowd)
    cells = [
        load,
        peer,
        f"{statistics.median(each.seen.per_second for each in crowd):,.0f}",
        f"{statistics.median(each.cpu_us for each in crowd):,.0f}",
        *(_latency(found.get(name, [])) for name in ("4", "32", "steady")),
        f"{failed:,}",
    ]
    return f"| {' | '.join(cells)} |"


def _latency(found: Sequence[Measured]) -> str:
    if not found:
        return "—"
    p50 = statistics.median(each.seen.p50_ms for each in found)
    p99 = statistics.median(each.seen.p99_ms for each in found)
    return f"{p50:.2f} / {p99:.2f}"


def _starts(started: Sequence[Started]) -> str:
    grouped: dict[str, list[Started]] = defaultdict(list)
    for each in started:
        grouped[each.peer].append(each)
    rows = (
        f"| {peer} | {statistics.median(one.seconds for one in each):.2f}"
        f" | {statistics.median(one.pss_mb for one in each):.0f}"
        f" | {statistics.median(one.worker_mb for one in each):.0f} |"
        for peer, each in grouped.items()
    )
    head = "| proxy | seconds until it answers | MB of all processes after the loads | of the largest one |"
    return "\n".join((f"{head}\n|---|--:|--:|--:|", *rows))


def _said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()
