"""`gateway keys list`: every key with its status."""

import argparse
import asyncio
import json
import os
import sys
import time

from gateway import settings
from gateway.cli.check import load_or_explain
from gateway.cli.stores import open_store
from gateway.cli.tables import write_table
from gateway.domain.instants import instant
from gateway.domain.window import MICROSECONDS
from gateway.ledger.embedded import StoreFailed
from gateway.ledger.store import LedgerUnavailable
from gateway.ledger.views import Views
from gateway.policy import Principal
from gateway.settings import SettingInvalid

#: When a key that expires is said to do so soon.
SOON_US = 14 * 86_400 * MICROSECONDS
COLUMNS = ("tenant", "key", "status", "expires", "last_use")


def list_keys(flags: argparse.Namespace) -> int:
    """Print every key with status, expiry, and its last create (or correction of one) if a ledger is at hand."""
    folder = settings.read_settings(flags, os.environ).policies
    policy = load_or_explain(folder)
    if policy is None:
        return 1
    keys = sorted(policy.keyring.values(), key=lambda each: (each.tenant.id, each.key))
    shown = [each for each in keys if flags.tenant in (None, each.tenant.id)]
    try:
        used = asyncio.run(_last_uses(flags, shown))
    except (SettingInvalid, StoreFailed, LedgerUnavailable, ValueError) as error:
        print(f"note: last uses are not known: {error}", file=sys.stderr)
        used = {}
    now_us = time.time_ns() // 1000
    rows = [_row(each, now_us, used.get((each.tenant.id, each.key))) for each in shown]
    if flags.json:
        print(json.dumps(rows, indent=2))
    else:
        write_table(COLUMNS, [[value or "-" for value in row.values()] for row in rows], len(COLUMNS))
    return 0


async def _last_uses(flags: argparse.Namespace, keys: list[Principal]) -> dict[tuple[str, str], int]:
    async with open_store(flags) as (_, store):
        found = {
            (each.tenant.id, each.key): await Views(store, each.tenant.account.id).last_use_us(each.scopes[0])
            for each in keys
        }
    return {key: at_us for key, at_us in found.items() if at_us is not None}


def _row(key: Principal, now_us: int, used_us: int | None) -> dict[str, str | None]:
    return {
        "tenant": key.tenant.id,
        "key": key.key,
        "status": _status(key, now_us),
        "expires": instant(key.expires_us),
        "last_use": instant(used_us),
    }


def _status(key: Principal, now_us: int) -> str:
    closed = key.closed(now_us)
    if closed is not None:
        return closed
    soon = key.closed(now_us + SOON_US) is not None
    return "expires soon" if soon else "works"
