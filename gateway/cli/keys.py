"""`gateway keys new`: a key for a tenant; the secret is shown once, only its digest goes into the policy."""

import argparse
import sys
from datetime import UTC, datetime

from gateway.policy.keys import key_toml, new_secret
from gateway.policy.rules import is_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="make a key")
    new.add_argument("tenant", metavar="TENANT")
    new.add_argument("--id", default=None, help="id of the key (default: today's date)")
    new.add_argument("--expires", default=None, metavar="DATE", help="such as 2027-02-01")


def run(flags: argparse.Namespace) -> int:
    """Print the secret, and the TOML to paste into the tenant's file."""
    secret = new_secret()
    if not is_id(flags.tenant):
        print(
            f"{flags.tenant!r} cannot be a tenant: an id is lower-case letters, digits, '.', '_' and '-'",
            file=sys.stderr,
        )
        return 1
    try:
        expires = _moment(flags.expires) if flags.expires else None
        toml = key_toml(flags.id or f"key-{datetime.now(UTC):%Y-%m-%d}", secret, expires)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(secret)
    print(
        f"\n# The secret above is shown this once. Paste this below the tenant {flags.tenant!r} in its policy file:"
    )
    print(toml)
    return 0


def _moment(text: str) -> datetime:
    """Read a day or a time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--expires: {text!r} is not a date; write it such as 2027-02-01") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= datetime.now(UTC):
        raise ValueError(f"--expires: {text} is past, so that the key would never open anything")
    return moment
