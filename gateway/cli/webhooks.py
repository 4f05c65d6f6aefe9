"""`gateway webhooks`: what was not delivered, delivering it again, and what a receiver verifies with."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.check import load_or_explain
from gateway.cli.secret import find_secret
from gateway.cli.stores import add_store_arguments, open_store
from gateway.delivery.signing import Signer
from gateway.domain.instants import instant
from gateway.domain.limit import account_scope, tenant_scope
from gateway.ledger.embedded import StoreFailed
from gateway.ledger.outbox import Delivery, Outbox
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import LedgerUnavailable, Store
from gateway.policy import Policy
from gateway.settings import SettingInvalid, Settings

MOST = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    actions = ("list", "retry", "secret")
    parser.add_argument("action", nargs="?", choices=actions, default="list", help="what to do (default: list)")
    parser.add_argument("of", nargs="*", metavar="ID | TENANT", help="of retry: ids; of secret: a tenant")
    parser.add_argument("--alerts", metavar="SCOPE", help="of secret: that of alerts to account/ID or tenant/ID")
    parser.add_argument("--all", action="store_true", help="retry everything that was given up")
    parser.add_argument("--json", action="store_true", help="a list of objects")
    add_store_arguments(parser)


def run(flags: argparse.Namespace) -> int:
    """Exit 0, or 1 and say why: where the store cannot be read, or nothing was found to do."""
    try:
        return asyncio.run(_run(flags))
    except (SettingInvalid, StoreFailed, LedgerUnavailable, ValueError) as error:
        print(f"gateway webhooks {flags.action}: {error}", file=sys.stderr)
        return 1


async def _run(flags: argparse.Namespace) -> int:
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        if flags.action == "secret":
            return await _secret(flags, policy, settings, store)
        outboxes = [Outbox(store, load_scripts(), account) for account in policy.accounts]
        if flags.action == "retry":
            return await _retry(flags, outboxes)
        rows = [row for outbox in outboxes for row in await _rows(outbox)]
        _show(rows, as_json=flags.json)
        return 0


async def _secret(flags: argparse.Namespace, policy: Policy, settings: Settings, store: Store) -> int:
    """Print what a tenant verifies its webhooks with, or an operator alerts, the present one first."""
    purpose = _alerts_of(flags, policy) if flags.alerts else _webhooks_of(flags.of, policy)
    signer = Signer(await find_secret(settings, os.environ, store))
    print(*signer.secrets_of(purpose), sep="\n")
    return 0


def _webhooks_of(names: Sequence[str], policy: Policy) -> str:
    if len(names) != 1 or names[0] not in policy.tenants:
        raise ValueError(f"name one tenant of the policy: {', '.join(policy.tenants)}")
    return f"webhooks of {tenant_scope(names[0])}"


def _alerts_of(flags: argparse.Namespace, policy: Policy) -> str:
    scopes = [*map(account_scope, policy.accounts), *map(tenant_scope, policy.tenants)]
    if flags.of or flags.alerts not in scopes:
        raise ValueError(f"--alerts names an account or a tenant, one of {', '.join(scopes)}")
    return f"alerts of {flags.alerts}"


async def _retry(flags: argparse.Namespace, outboxes: Sequence[Outbox]) -> int:
    """Deliver again what was given up; says of each whether it was there."""
    if bool(flags.of) is flags.all:
        raise ValueError("name what to deliver again by its id, or everything with --all")
    dead = [each.id for outbox in outboxes for each in await outbox.listed(MOST, dead=True)]
    missing = 0
    for id_ in flags.of or dead:
        found = [await outbox.again(id_) for outbox in outboxes]
        print(f"{id_} {'is due again' if any(found) else 'is not among those that were given up'}")
        missing += not any(found)
    return 1 if missing else 0


async def _rows(outbox: Outbox) -> list[dict[str, Any]]:
    waiting, dead = await outbox.listed(MOST), await outbox.listed(MOST, dead=True)
    return [_row(outbox.account, "dead", each) for each in dead] + [
        _row(outbox.account, "undelivered", each) for each in waiting
    ]


def _row(account: str, state: str, delivery: Delivery) -> dict[str, Any]:
    url = urlsplit(delivery.webhook.url)
    return {
        "id": delivery.id,
        "state": state,
        "account": account,
        "tenant": None if delivery.is_alert else delivery.scope.removeprefix("tenant/"),
        "alerts_of": delivery.scope if delivery.is_alert else None,
        "url": f"{url.scheme}://{url.netloc}{url.path}",  # what stands behind it may be a credential
        "since": instant(delivery.since_us),
        "tries": delivery.tries,
        "reason": delivery.said or None,
    }


def _show(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        whose = row["tenant"] or f"alerts of {row['alerts_of']}"
        rest = (str(row[name]) for name in ("since", "tries", "url", "reason"))
        print("  ".join((row["state"], row["id"], whose, *rest)))
    dead = sum(row["state"] == "dead" for row in rows)
    print(f"{len(rows) - dead} undelivered, {dead} given up")
