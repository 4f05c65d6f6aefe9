"""`gateway usage`: where the money went, by day (UTC), tenant, key and model."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import date

from gateway.cli.check import load_or_explain
from gateway.cli.focus import FOCUS_COLUMNS, focus_row
from gateway.cli.grants import GRANT_COLUMNS, grant_rows, raised_now
from gateway.cli.stores import add_store_arguments, open_store
from gateway.cli.tables import write_csv, write_table
from gateway.domain.money import format_usd
from gateway.ledger.embedded import StoreFailed
from gateway.ledger.granted import sum_granted
from gateway.ledger.journal import read_journal
from gateway.ledger.scripts import load_scripts
from gateway.ledger.spending import Group, Sum, read_spending
from gateway.ledger.store import LedgerUnavailable
from gateway.ledger.views import Views
from gateway.settings import SettingInvalid

COLUMNS = ("day", "account", "tenant", "key", "model", "predictions", "charged_usd", "held_usd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_store_arguments(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects")
    form.add_argument("--csv", action="store_true", help="the same as comma separated values")
    form.add_argument("--focus", action="store_true", help="FOCUS 1.0 cost and usage rows, as comma separated values")
    parser.add_argument("--grants", action="store_true", help="what grants raise, and what was admitted by them")
    parser.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="first day, such as 2026-11-01")
    parser.add_argument("--until", type=date.fromisoformat, metavar="DAY", help="last day")


def run(flags: argparse.Namespace) -> int:
    """Print the spending; exit 1 and say why where the ledger cannot be read."""
    try:
        if flags.grants:
            return asyncio.run(_tell_grants(flags))
        found = asyncio.run(_collect(flags))
    except (SettingInvalid, StoreFailed, LedgerUnavailable, ValueError) as error:
        print(f"gateway usage: {error}", file=sys.stderr)
        return 1
    if found is None:
        return 1
    sums, raised = found
    asked = {group: found for group, found in sums.items() if _in_span(group.day, flags)}
    if flags.focus:
        write_csv(FOCUS_COLUMNS, [focus_row(group, found) for group, found in asked.items() if found.charged])
    elif flags.csv:
        write_csv(COLUMNS, [_row(group, found) for group, found in asked.items()])
    elif flags.json:
        print(json.dumps([_row(group, found) for group, found in asked.items()], indent=2))
    else:
        _write_table(asked)
        print(*raised, sep="\n", end="\n" if raised else "")
    return 0


async def _collect(flags: argparse.Namespace) -> tuple[dict[Group, Sum], list[str]] | None:
    """Read the spending, and which limits grants raise just now."""
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return None
        sums: dict[Group, Sum] = {}
        raised: list[str] = []
        for account in policy.accounts:
            sums |= await read_spending(store, load_scripts(), account)
            raised += raised_now(policy.limits(account), await Views(store, account).now_us())
        return sums, raised


async def _tell_grants(flags: argparse.Namespace) -> int:
    if flags.focus or flags.since or flags.until:
        raise ValueError("--grants is told as a table, with --json or with --csv, and whole")
    rows: list[dict[str, str | int | None]] = []
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        for account in policy.accounts:
            granted = await sum_granted(read_journal(store, account))
            rows += grant_rows(policy.limits(account), granted, await Views(store, account).now_us())
    if flags.json:
        print(json.dumps(rows, indent=2))
    elif flags.csv:
        write_csv(GRANT_COLUMNS, rows)
    else:
        write_table(
            GRANT_COLUMNS, [["" if value is None else value for value in row.values()] for row in rows], left=6
        )
    return 0


def _in_span(day: date, flags: argparse.Namespace) -> bool:
    return (flags.since is None or day >= flags.since) and (flags.until is None or day <= flags.until)


def _row(group: Group, found: Sum) -> dict[str, str | int]:
    return {
        "day": group.day.isoformat(),
        "account": group.account,
        "tenant": group.tenant,
        "key": group.key,
        "model": group.model,
        "predictions": found.predictions,
        "charged_usd": format_usd(found.charged),
        "held_usd": format_usd(found.held),
    }


def _write_table(sums: Mapping[Group, Sum]) -> None:
    """Write the rows, with the total below."""
    total = Sum(*(sum(column) for column in zip(*sums.values(), strict=True))) if sums else Sum(0, 0, 0)
    rows = [[str(value) for value in _row(group, found).values()] for group, found in sums.items()]
    rows.append(["total", "", "", "", "", str(total.predictions), format_usd(total.charged), format_usd(total.held)])
    write_table(COLUMNS, rows, left=5)
