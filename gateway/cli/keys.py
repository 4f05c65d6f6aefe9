"""`gateway keys new | list | rotate | revoke`: the keys of tenants, from the first day to the last.

A secret is shown once; only its digest goes into the policy. What changes a file of the policy shows the change, and
a running gateway takes it up as it does every edit.
"""

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway import settings
from gateway.cli.check import explain
from gateway.cli.keys_list import list_keys
from gateway.cli.spans import read_moment, read_span
from gateway.cli.stores import add_store_arguments
from gateway.policy import Policy, PolicyInvalid, Principal, load_policy
from gateway.policy.editing import CannotEdit
from gateway.policy.key_edits import Edit, add_key, revoke_key, rotate_key
from gateway.policy.keys import key_toml, moment_toml, new_secret
from gateway.policy.problems import suggestion
from gateway.policy.rules import is_id

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = _action(actions, "new", "make a key, and print the lines to paste (or --write them)")
    new.add_argument("--id", default=None, help="id of the key (default: today's date)")
    new.add_argument("--write", action="store_true", help="write it into the tenant's policy file")
    listed = actions.add_parser("list", help="keys with status, expiry and last use", description=list_keys.__doc__)
    listed.add_argument("tenant", nargs="?", metavar="TENANT", help="of this tenant only")
    listed.add_argument("--json", action="store_true", help="a list of objects")
    add_store_arguments(listed)
    rotate = _action(actions, "rotate", "make a second key beside one that expires soon after")
    rotate.add_argument("--id", default=None, help="id of the new key (default: the old one's with today's date)")
    rotate.add_argument(
        "--overlap", default="7d", metavar="SPAN", help="how long both work, such as 12h (default 7d)"
    )
    revoke = _action(actions, "revoke", "close a key at once")
    for each in (rotate, revoke):
        each.add_argument("key", metavar="KEY", help="id of the key")
    for each in (new, rotate):
        each.add_argument(
            "--expires", default=None, metavar="DATE", help="of the new key, such as 2027-02-01, or never"
        )


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text)
    settings.add_arguments(parser, frozenset(("policies",)))
    parser.add_argument("tenant", metavar="TENANT")
    return parser


def run(flags: argparse.Namespace) -> int:
    """Exit 0, or 1 with the reason."""
    if flags.action == "list":
        return list_keys(flags)
    folder = settings.read_settings(flags, os.environ).policies
    try:
        {"new": _new, "rotate": _rotate, "revoke": _revoke}[flags.action](flags, folder)
    except PolicyInvalid as invalid:
        explain(invalid)
    except OSError as error:
        print(f"gateway keys {flags.action}: {error.filename} cannot be changed: {error.strerror}", file=sys.stderr)
    except (CannotEdit, ValueError) as error:
        print(f"gateway keys {flags.action}: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def _new(flags: argparse.Namespace, folder: Path) -> None:
    """Print the secret, and the TOML to paste into the tenant's file unless it is written there."""
    if not is_id(flags.tenant):
        raise ValueError(f"{flags.tenant!r} cannot be a tenant: use lower-case letters, digits, '.', '_' and '-'")
    secret, key = new_secret(), flags.id or f"key-{datetime.now(UTC):%Y-%m-%d}"
    toml = key_toml(key, secret, _expires(flags.expires))
    if flags.write:
        _write(add_key(folder, flags.tenant, toml), secret)
        return
    print(secret)
    print(
        f"\n# The secret above is shown this once. Paste this below the tenant {flags.tenant!r} in its policy file:"
    )
    print(toml)
    _warn_of_what_will_not_fit(flags.tenant, key, folder)


def _warn_of_what_will_not_fit(tenant: str, key: str, folder: Path) -> None:
    """Say at once what `gateway check` would say of the pasted lines, where there is a policy to compare with."""
    try:
        policy = load_policy(folder)
    except PolicyInvalid:
        return
    if tenant not in policy.tenants:
        near = suggestion(tenant, policy.tenants)
        print(f"note: {folder} has no tenant {tenant!r} yet{near}", file=sys.stderr)
    elif any((each.tenant.id, each.key) == (tenant, key) for each in policy.keyring.values()):
        print(f"note: tenant {tenant!r} has a key {key!r} already; give the new one another id", file=sys.stderr)


def _rotate(flags: argparse.Namespace, folder: Path) -> None:
    """Write a second key; the old one goes on working for the overlap, unless it expires before."""
    now, policy = datetime.now(UTC), load_policy(folder)
    old, secret = _working(policy, flags.tenant, flags.key, now), new_secret()
    if old.expires_us is not None and flags.expires is None:
        raise ValueError(f"key {flags.key!r} has an expiry; say with --expires which the new one has, or never")
    taken = {each.key for each in policy.keyring.values() if each.tenant.id == flags.tenant}
    toml = key_toml(flags.id or _fresh(flags.key, now, taken), secret, _expires(flags.expires))
    until = (now + read_span(flags.overlap)).replace(microsecond=0)
    if old.expires_us is not None:
        until = min(until, _EPOCH + old.expires_us * _MICROSECOND)
    _write(rotate_key(folder, flags.tenant, flags.key, toml, until), secret)
    print(f"# Key {flags.key!r} of tenant {flags.tenant!r} works until {moment_toml(until)}.")
    if any(limit.scope.endswith(f"/key/{flags.key}") for limit in old.limits):
        print("# The new key has limits of its own, of which nothing is used yet.")


def _revoke(flags: argparse.Namespace, folder: Path) -> None:
    _write(revoke_key(folder, flags.tenant, flags.key), None)


def _write(edit: Edit, secret: str | None) -> None:
    """Write the file first: a secret whose digest is nowhere would be worth nothing."""
    edit.write()
    if secret is not None:
        print(secret)
        print("\n# The secret above is shown this once. Its digest is written:")
    print(edit.shown(), end="")


def _working(policy: Policy, tenant: str, key: str, now: datetime) -> Principal:
    """Find the key to rotate: one that works. Raises CannotEdit."""
    for each in policy.keyring.values():
        if (each.tenant.id, each.key) == (tenant, key):
            if each.closed((now - _EPOCH) // _MICROSECOND):
                raise CannotEdit(
                    f"key {key!r} opens nothing any more, so there is no overlap; make one with `keys new`"
                )
            return each
    raise CannotEdit(f"no key {key!r} of a tenant {tenant!r} in the policy files; `gateway keys list` shows them")


def _fresh(key: str, now: datetime, taken: set[str]) -> str:
    """Name the successor of a key: its name with the day, and a number from the second of that day on."""
    dated = f"{key.removesuffix(key[-11:]) if _is_dated(key) else key}-{now:%Y-%m-%d}"
    names = [dated, *(f"{dated}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _is_dated(key: str) -> bool:
    try:
        return bool(datetime.strptime(key[-11:], "-%Y-%m-%d").replace(tzinfo=UTC))
    except ValueError:
        return False


def _expires(text: str | None) -> datetime | None:
    """Read when a new key expires. Raises ValueError for a moment that is past."""
    if text is None or text == "never":
        return None
    try:
        moment = read_moment(text)
    except ValueError as error:
        raise ValueError(f"--expires: {error}") from None
    if moment <= datetime.now(UTC):
        raise ValueError(f"--expires: {text} is past, so that the key would never open anything")
    return moment
