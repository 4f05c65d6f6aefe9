"""`gateway policy schema | diff | replay | enact`: what is to be known of a policy before it is in force."""

import argparse
import asyncio
import sys

from gateway.cli.check import load_or_explain
from gateway.cli.policy_diff import add_arguments as add_diff_arguments
from gateway.cli.policy_diff import diff
from gateway.cli.policy_replay import add_arguments as add_replay_arguments
from gateway.cli.policy_replay import replay
from gateway.cli.stores import add_store_arguments, open_store
from gateway.ledger.embedded import StoreFailed
from gateway.ledger.enactment import Enactment
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import LedgerUnavailable
from gateway.policy.schema import policy_schema
from gateway.settings import SettingInvalid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("schema", help="print the JSON Schema of policy files, for editors")
    text = "what NEW changes about OLD, in words; exit 0 without a change, 2 with changes, 1 where it cannot be told"
    add_diff_arguments(actions.add_parser("diff", help=text, description=text))
    text = "recorded creates under NEW: which it would have refused or admitted; exit codes as those of diff"
    add_replay_arguments(actions.add_parser("replay", help=text, description=text))
    text = "put the folder into force, whatever is; gateways with another folder admit nothing from then on"
    add_store_arguments(actions.add_parser("enact", help=text, description=text))


def run(flags: argparse.Namespace) -> int:
    """Exit 0, or 1 with the reason."""
    if flags.action == "schema":
        print(policy_schema(), end="")
        return 0
    if flags.action == "diff":
        return diff(flags)
    if flags.action == "replay":
        return replay(flags)
    try:
        return asyncio.run(_enact(flags))
    except (SettingInvalid, StoreFailed, LedgerUnavailable, ValueError) as error:
        print(f"gateway policy {flags.action}: {error}", file=sys.stderr)
        return 1


async def _enact(flags: argparse.Namespace) -> int:
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        scripts = load_scripts()
        for account in policy.accounts:
            number, version = await Enactment(store, scripts, account, "operator").command(policy.version)
            print(f"{account}: policy {number} ({version[:12]}) is in force")
    return 0
