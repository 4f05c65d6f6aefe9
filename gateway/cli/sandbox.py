"""`gateway sandbox`: the simulated upstream, alone."""

import argparse
import asyncio
import sys

from gateway.sandbox import SandboxConfig, serve
from gateway.settings import Address


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("--listen", default="127.0.0.1:8090", metavar="H:P")
    parser.add_argument("--seconds", default=2.0, type=float, help="how long a prediction runs (default 2)")
    parser.add_argument("--fail-rate", default=0.0, type=float, help="share of predictions that fail, 0 to 1")
    parser.add_argument("--creates-per-minute", default=100, type=int)
    parser.add_argument("--concurrent", default=10, type=int, help="predictions in flight per key")
    parser.add_argument("--seed", default=0, type=int, help="seed of the simulated chances")


def run(flags: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    try:
        address = Address.parse(flags.listen)
    except ValueError as error:
        print(f"--listen: {error}", file=sys.stderr)
        return 2
    config = SandboxConfig(
        listen_host=address.host,
        port=address.port,
        seconds=flags.seconds,
        fail_rate=flags.fail_rate,
        creates_per_minute=flags.creates_per_minute,
        concurrent=flags.concurrent,
        seed=flags.seed,
    )
    try:
        asyncio.run(serve(config, on_ready=lambda url: print(f"ready {url}", flush=True)))
    except OSError as error:
        print(f"cannot listen on {flags.listen}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
