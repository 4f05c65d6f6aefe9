"""`gateway sandbox`: the simulated upstream, alone."""

import argparse
import asyncio
import socket
import sys
from dataclasses import replace
from pathlib import Path

from gateway.sandbox import MemoryInvalid, SandboxConfig, bind, serve
from gateway.settings import Address

#: Where it listens unless told otherwise; `gateway serve --sandbox` takes it too, so that the addresses of outputs
#: stay the same after a restart.
DEFAULT_LISTEN = "127.0.0.1:8090"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("--listen", default=DEFAULT_LISTEN, metavar="H:P")
    parser.add_argument("--or-any-port", action="store_true", help="where that port is taken, take a free one")
    parser.add_argument("--seconds", default=2.0, type=float, help="how long a prediction runs (default 2)")
    parser.add_argument("--fail-rate", default=0.0, type=float, help="share of predictions that fail, 0 to 1")
    parser.add_argument("--creates-per-minute", default=100, type=int)
    parser.add_argument("--concurrent", default=10, type=int, help="predictions in flight per key")
    parser.add_argument("--seed", default=0, type=int, help="seed of the simulated chances")
    parser.add_argument(
        "--state",
        default=None,
        type=Path,
        metavar="FILE",
        help="remember predictions there (default: until it stops)",
    )


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
        state=flags.state,
    )
    try:
        listener = _bind(config, or_any_port=flags.or_any_port)
    except OSError as error:
        print(f"cannot listen on {flags.listen}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        asyncio.run(serve(config, sock=listener, on_ready=lambda url: print(f"ready {url}", flush=True)))
    except MemoryInvalid as invalid:
        print(f"--state: {invalid}", file=sys.stderr)
        return 1
    return 0


def _bind(config: SandboxConfig, *, or_any_port: bool) -> socket.socket:
    try:
        return bind(config)
    except OSError:
        if not or_any_port:
            raise
        return bind(replace(config, port=0))
