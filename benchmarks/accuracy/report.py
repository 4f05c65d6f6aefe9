"""The report: a table in Markdown, with what it was measured on."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from benchmarks.accuracy.rounds import Round
from benchmarks.accuracy.scenarios import SCENARIOS

HEAD = "| gateway | scenario | clients | rounds | requests | admitted | overspend | wrongful refusals | sent twice |"


def table(rounds: Sequence[Round]) -> str:
    """Write one line for each gateway, scenario and number of clients: all its seeds together, and the worst one."""
    groups: dict[tuple[str, str, int], list[Round]] = {}
    for each in rounds:
        groups.setdefault((each.gateway, each.scenario, each.load.clients), []).append(each)
    lines = [f"| {' | '.join(map(str, group))} | {_line(found)} |" for group, found in groups.items()]
    return "\n".join([HEAD, "|---|---|--:|--:|--:|--:|--:|--:|--:|", *lines])


def _line(rounds: Sequence[Round]) -> str:
    verdicts = [each.verdict for each in rounds]
    requests, wrongful = sum(v.requests for v in verdicts), sum(v.wrongful for v in verdicts)
    cells = [
        len(rounds),
        requests,
        sum(v.admitted for v in verdicts),
        f"{max(v.overspend_percent for v in verdicts):.2f} %",
        f"{100 * wrongful / requests:.2f} % ({wrongful})",
        sum(each.sent_twice for each in rounds),
    ]
    return " | ".join(map(str, cells))


def heading(versions: Mapping[str, str], command: str) -> str:
    """Say what was measured, where, and by which command."""
    lines = [f"- {name}: {version}" for name, version in versions.items()]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    lines += [
        f"- machine: {machine}",
        f"- commit: {_commit()}, {datetime.now(UTC):%Y-%m-%d}",
        f"- command: `{command}`",
    ]
    return "\n".join(lines)


def scenarios(names: Sequence[str]) -> str:
    """Say what the scenarios are."""
    return "\n".join(f"- **{name}**: {SCENARIOS[name].what}" for name in names)


def _commit() -> str:
    words = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
