"""`gateway policy schema`: what is to be known about policies beside their validity."""

import argparse

from gateway.policy.schema import policy_schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("schema", help="print the JSON Schema of policy files, for editors")


def run(_flags: argparse.Namespace) -> int:
    """Print the schema."""
    print(policy_schema(), end="")
    return 0
