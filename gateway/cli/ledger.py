"""`gateway ledger verify | rebuild | trim | export | reopen`: is it right, keep it small, ship it, open it again."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import MappingProxyType

from gateway.cli.check import load_or_explain
from gateway.cli.export import add_export_arguments, export
from gateway.cli.stores import add_account_argument, add_store_arguments, named_account, open_store
from gateway.domain.instants import instant
from gateway.domain.window import MICROSECONDS
from gateway.ledger.attendance import WHY, Attendance
from gateway.ledger.audit import Auditor, Report
from gateway.ledger.embedded import StoreFailed
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import LedgerUnavailable, Store
from gateway.ledger.trimming import Trimmed, Trimmer
from gateway.ledger.views import Views
from gateway.settings import SettingInvalid, days

_HELP = {
    "verify": "recompute every counter from checkpoint and journal, and compare; a running gateway may go on",
    "rebuild": "write checkpoint and counters anew from the journal; stop the gateway first",
    "trim": "drop what was exported from the journal, after a verification; a running gateway may go on",
    "export": "write the journal as one JSON object a line",
    "reopen": "admit creates again after a failover, without waiting for what it may have lost",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in _HELP.items():
        add_store_arguments(actions.add_parser(name, help=text, description=text))
    actions.choices["trim"].add_argument(
        "--older-than", type=days, metavar="DAYS", help="drop what is older than so many days too, exported or not"
    )
    add_export_arguments(actions.choices["export"])
    add_account_argument(actions.choices["reopen"])
    actions.choices["reopen"].add_argument("--reason", required=True, metavar="TEXT", help="why, for the journal")


def run(flags: argparse.Namespace) -> int:
    """Exit 0 where the ledger is right, 1 where it is not or cannot be read."""
    try:
        return asyncio.run(_ACTIONS[flags.action](flags))
    except BrokenPipeError:
        raise
    except (SettingInvalid, StoreFailed, LedgerUnavailable, ValueError, OSError) as error:
        print(f"gateway ledger {flags.action}: {error}", file=sys.stderr)
        return 1


async def _verify(flags: argparse.Namespace) -> int:
    return await _each_account(flags, lambda store, account: _audit(Auditor.verify, store, account))


async def _rebuild(flags: argparse.Namespace) -> int:
    return await _each_account(flags, lambda store, account: _audit(Auditor.rebuild, store, account))


async def _trim(flags: argparse.Namespace) -> int:
    older_us = None if flags.older_than is None else flags.older_than * 86400 * MICROSECONDS
    return await _each_account(flags, lambda store, account: _trim_account(store, account, older_us))


async def _each_account(flags: argparse.Namespace, act: Callable[[Store, str], Awaitable[bool]]) -> int:
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        right = [await act(store, account) for account in policy.accounts]
        return 0 if all(right) else 1


async def _audit(audit: Callable[[Auditor], Awaitable[Report]], store: Store, account: str) -> bool:
    report = await audit(Auditor(store, load_scripts(), account))
    _tell(account, _words(report), report.faults)
    closure = await Views(store, account).closure()
    if closure:
        print(f"{account}: closed to creates since {instant(closure.since_us)}: {WHY[closure.why]}")
    return not report.faults


async def _trim_account(store: Store, account: str, older_us: int | None) -> bool:
    trimmed = await Trimmer(store, load_scripts(), account).drop_exported(older_us)
    _tell(account, _what_is_left(trimmed), trimmed.faults)
    return not trimmed.faults


async def _reopen(flags: argparse.Namespace) -> int:
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        account = named_account(flags, policy)
        closure = await Views(store, account).closure()
        if closure is None:
            raise ValueError(f"account {account} is not closed")
        attendance = Attendance(store, load_scripts(), account)
        if not await attendance.reopen(closure.epoch, "operator", flags.reason):
            raise ValueError(f"account {account} was opened or closed by another meanwhile; look, and try again")
        print(f"{account}: open to creates again; gateway reconcile shows what upstream billed beyond the ledger")
    return 0


def _tell(account: str, what: str, faults: list[str]) -> None:
    for fault in faults:
        print(f"{account}: {fault}", file=sys.stderr)
    print(f"{account}: {what}: {f'{len(faults)} faults' if faults else 'right'}")


def _words(report: Report) -> str:
    dropped = f" ({report.dropped} of them trimmed)" if report.dropped else ""
    unproven = f" ({report.unproven} of past windows cannot be proved any more)" if report.unproven else ""
    return f"{report.entries} entries{dropped}, {report.counters} counters{unproven}, {report.live} live"


def _what_is_left(trimmed: Trimmed) -> str:
    if trimmed.faults:
        return "nothing dropped"
    dropped, position = trimmed.dropped, trimmed.position
    return f"{dropped} entries dropped; all up to {position.floor} are, exported are those up to {position.exported}"


_ACTIONS: Mapping[str, Callable[[argparse.Namespace], Coroutine[None, None, int]]] = MappingProxyType(
    {"verify": _verify, "rebuild": _rebuild, "trim": _trim, "export": export, "reopen": _reopen}
)
