"""`gateway ledger verify | rebuild | export | reopen`: is it right, make it right, ship it, open it again."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

import msgspec

from gateway.cli.check import load_or_explain
from gateway.cli.stores import add_store_arguments, open_store
from gateway.domain.instants import instant
from gateway.domain.money import format_usd
from gateway.ledger.attendance import WHY, Attendance
from gateway.ledger.audit import Auditor, Report
from gateway.ledger.embedded import StoreFailed
from gateway.ledger.journal import Entry, Posted, read_journal
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import LedgerUnavailable
from gateway.ledger.views import Views
from gateway.policy import Policy
from gateway.settings import SettingInvalid

_MONEY = frozenset(("estimate", "hold", "cost", "more"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("verify", "recompute every counter from the journal and compare; a running gateway may go on"),
        ("rebuild", "write every counter anew from the journal; stop the gateway first"),
        ("export", "write the journal as one JSON object a line"),
        ("reopen", "admit creates again after a failover, without waiting for what it may have lost"),
    ):
        add_store_arguments(actions.add_parser(name, help=text, description=text))
    export = actions.choices["export"]
    for name in ("export", "reopen"):
        actions.choices[name].add_argument("--account", default=None, help="the account (default: the only one)")
    actions.choices["reopen"].add_argument("--reason", required=True, metavar="TEXT", help="why, for the journal")
    export.add_argument("--after", type=int, default=0, metavar="N", help="begin after this sequence number")
    export.add_argument("--output", type=Path, metavar="FILE", help="append to a file, after the last entry in it")


def run(flags: argparse.Namespace) -> int:
    """Exit 0 where the ledger is right, 1 where it is not or cannot be read."""
    try:
        return asyncio.run(_ACTIONS[flags.action](flags))
    except (SettingInvalid, StoreFailed, LedgerUnavailable, ValueError, OSError) as error:
        print(f"gateway ledger {flags.action}: {error}", file=sys.stderr)
        return 1


async def _audit(flags: argparse.Namespace) -> int:
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        right = True
        for account in policy.accounts:
            auditor = Auditor(store, load_scripts(), account)
            report = await (auditor.verify() if flags.action == "verify" else auditor.rebuild())
            _tell(account, report)
            closure = await Views(store, account).closure()
            if closure:
                print(f"{account}: closed to creates since {instant(closure.since_us)}: {WHY[closure.why]}")
            right = right and not report.faults
        return 0 if right else 1


def _tell(account: str, report: Report) -> None:
    for fault in report.faults:
        print(f"{account}: {fault}", file=sys.stderr)
    verdict = f"{len(report.faults)} faults" if report.faults else "right"
    print(f"{account}: {report.entries} entries, {report.counters} counters, {report.live} live: {verdict}")


async def _export(flags: argparse.Namespace) -> int:
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        account = _account(flags, policy)
        with ExitStack() as stack:
            after = max(flags.after, _last_sequence(flags.output)) if flags.output else flags.after
            out = stack.enter_context(flags.output.open("a", encoding="utf-8")) if flags.output else sys.stdout
            await _write(out, account, read_journal(store, account, after))
    return 0


async def _reopen(flags: argparse.Namespace) -> int:
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        account = _account(flags, policy)
        closure = await Views(store, account).closure()
        if closure is None:
            raise ValueError(f"account {account} is not closed")
        attendance = Attendance(store, load_scripts(), account)
        if not await attendance.reopen(closure.epoch, "operator", flags.reason):
            raise ValueError(f"account {account} was opened or closed by another meanwhile; look, and try again")
        print(f"{account}: open to creates again; gateway reconcile shows what upstream billed beyond the ledger")
    return 0


def _account(flags: argparse.Namespace, policy: Policy) -> str:
    account: str = flags.account or next(iter(policy.accounts))
    if account not in policy.accounts or (flags.account is None and len(policy.accounts) > 1):
        raise ValueError(f"name one of the accounts with --account: {', '.join(policy.accounts)}")
    return account


async def _write(out: TextIO, account: str, entries: AsyncIterator[Entry]) -> None:
    async for entry in entries:
        line = {
            "account": account,
            "sequence": entry.sequence,
            "event": entry.event,
            **{name: _shown(name, value) for name, value in msgspec.structs.asdict(entry.fact).items()},
            **(msgspec.structs.asdict(entry.labels) if isinstance(entry.fact, Posted) else {}),
        }
        line.pop("labels", None)  # a number of the store; what it stands for is in the line
        print(json.dumps(line), file=out)


def _shown(name: str, value: Any) -> Any:
    return format_usd(value) if name in _MONEY else value


def _last_sequence(path: Path) -> int:
    """Find where an earlier export stopped, and cut off a line that it did not finish."""
    if not path.exists():
        return 0
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        path.write_bytes(whole)
    lines = whole.splitlines()
    return int(json.loads(lines[-1])["sequence"]) if lines else 0


_ACTIONS: Mapping[str, Callable[[argparse.Namespace], Coroutine[None, None, int]]] = MappingProxyType(
    {"verify": _audit, "rebuild": _audit, "export": _export, "reopen": _reopen}
)
