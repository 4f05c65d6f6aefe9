"""`gateway reconcile`: says whether upstream's bill is what the ledger charged."""

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, date, datetime, time, timedelta

from prometheus_client import CollectorRegistry

from gateway.cli.check import load_or_explain
from gateway.cli.reconcile_forms import COLUMNS, Found, as_json, row_of, write_text
from gateway.cli.stores import add_store_arguments, open_store
from gateway.cli.tables import write_csv
from gateway.domain.window import MICROSECONDS
from gateway.ledger.embedded import StoreFailed
from gateway.ledger.history import HistoryTrimmed, read_history
from gateway.ledger.ledger import Ledger
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import LedgerUnavailable, Store
from gateway.policy import Account, SecretMissing, read_secret
from gateway.settings import SettingInvalid, Settings
from gateway.settings import add_arguments as add_settings
from gateway.settlement.bill import BillReader, BillUnreadable
from gateway.settlement.comparison import DIFFERENCES, MARGIN_US, Period, Result, compare
from gateway.settlement.listing import Lister, Listing
from gateway.telemetry import Telemetry
from gateway.upstream.eachlabs import Eachlabs
from gateway.upstream.httpx_client import HttpxUpstream

_FAILURES = (
    SettingInvalid,
    StoreFailed,
    LedgerUnavailable,
    SecretMissing,
    BillUnreadable,
    HistoryTrimmed,
    ValueError,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_store_arguments(parser)
    add_settings(parser, frozenset(("upstream_url",)))
    parser.add_argument(
        "--from", dest="since", type=_begin, required=True, metavar="WHEN", help="a day (UTC) or an RFC 3339 time"
    )
    parser.add_argument(
        "--to", dest="until", type=_end, default=None, metavar="WHEN", help="a day, all of it, or a time; default now"
    )
    parser.add_argument("--all", action="store_true", help="show the predictions that match too")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one object")
    form.add_argument("--csv", action="store_true", help="a line for each prediction shown")


def run(flags: argparse.Namespace) -> int:
    """Exit 0 where nothing differs, 1 where something does or where either side cannot be read."""
    try:
        found = asyncio.run(_collect(flags))
    except _FAILURES as error:
        print(f"gateway reconcile: {error}", file=sys.stderr)
        return 1
    if found is None:
        return 1
    shown = [row for row in found.rows if flags.all or row.result is not Result.MATCHED]
    if flags.json:
        print(json.dumps(as_json(found, shown), indent=2))
    elif flags.csv:
        write_csv(COLUMNS, map(row_of, shown))
    else:
        write_text(found, shown)
    return 1 if any(row.result in DIFFERENCES for row in found.rows) else 0


async def _collect(flags: argparse.Namespace) -> Found | None:
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return None
        period = await _period(flags, store)
        ledgers = {id_: Ledger(store, load_scripts(), id_) for id_ in policy.accounts}
        client = HttpxUpstream()
        try:
            bills = {
                id_: await _bill(policy.accounts[id_], ledgers[id_], client, settings, period) for id_ in ledgers
            }
        finally:
            await client.aclose()
        wide = period.from_us - MARGIN_US, period.until_us + MARGIN_US
        history = {id_: await read_history(store, id_, *wide) for id_ in policy.accounts}
        rows = compare({id_: tuple(found.values()) for id_, found in history.items()}, bills, period)
        return Found(period, tuple(policy.accounts), rows)


async def _period(flags: argparse.Namespace, store: Store) -> Period:
    """Give the span that is compared, which ends now at the latest. Raises ValueError for an empty one."""
    seconds, micros = await store.read("TIME")
    now_us = int(seconds) * MICROSECONDS + int(micros)
    from_us = _us(flags.since)
    # Upstream's clock is known to a second: what it made just now may look as if it were still to come.
    soon_us = now_us + 2 * MICROSECONDS
    until_us = min(_us(flags.until), soon_us) if flags.until else soon_us
    if from_us >= until_us:
        raise ValueError("the period is empty: --from lies after --to, or in the future")
    return Period(from_us, until_us, now_us)


async def _bill(
    account: Account, ledger: Ledger, client: HttpxUpstream, settings: Settings, period: Period
) -> Listing:
    first = account.keys[0]
    secrets = {first.id: read_secret(first, os.environ)}
    upstream = Eachlabs(account, secrets, client, Telemetry(CollectorRegistry()), settings.upstream_url)
    return await BillReader(Lister(ledger, upstream)).read(period.from_us - MARGIN_US, period.until_us + MARGIN_US)


def _begin(text: str) -> datetime:
    return _moment(text, timedelta(0))


def _end(text: str) -> datetime:
    return _moment(text, timedelta(days=1))


def _moment(text: str, into_day: timedelta) -> datetime:
    """Read a day, of which a part is meant, or a time; one without a zone is UTC."""
    if len(text) == len("2026-11-01"):
        return datetime.combine(date.fromisoformat(text), time(), UTC) + into_day
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * MICROSECONDS)
