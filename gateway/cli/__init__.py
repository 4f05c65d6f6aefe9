"""The command line: builds the parts and hands them over; one file a command."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

CUT_OFF = 141  # the status of what a shell ends because nobody reads on


class Command(NamedTuple):
    """One command: the module that has `add_arguments(parser)` and `run(flags)`, and its line in the help."""

    module: str
    help: str


#: Loaded when asked for, so that `gateway check` need not wait for a web server's imports.
COMMANDS = {
    "serve": Command("serve", "run the gateway"),
    "sandbox": Command("sandbox", "run the simulated upstream alone"),
    "check": Command("check", "validate the policy files"),
    "policy": Command("policy", "the schema of the policy files"),
    "models": Command("models", "draft the file of a model from what upstream publishes"),
    "prices": Command("prices", "compare what upstream bills with what the prices say"),
    "quote": Command("quote", "price a request without sending it"),
    "keys": Command("keys", "make, list, rotate and revoke keys of tenants"),
    "ledger": Command("ledger", "verify, rebuild, trim or export the ledger"),
    "reconcile": Command("reconcile", "compare the ledger with upstream's own list"),
    "webhooks": Command("webhooks", "list what tenants were not told, tell it again, and show a tenant's secret"),
    "usage": Command("usage", "spend and holds by tenant, key, model and day"),
}


class _Version(argparse.Action):
    """Prints the version; what finds it out is loaded for that alone, since it takes as long as `gateway check`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        version = importlib.import_module("importlib.metadata").version("eachlabs-gateway")
        parser.exit(message=f"{parser.prog} {version}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="gateway", description="A cost-aware gateway for the Eachlabs API.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = commands.add_parser(name, help=command.help, description=command.help)
        if given[:1] == [name]:
            importlib.import_module(f"gateway.cli.{command.module}").add_arguments(added)
    flags = parser.parse_args(given)
    module = importlib.import_module(f"gateway.cli.{COMMANDS[flags.command].module}")
    try:
        status: int = module.run(flags)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the exit
        return CUT_OFF
    return status
