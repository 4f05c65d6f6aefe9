"""`gateway policy replay`: which recorded creates another policy would have refused or admitted."""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence

from gateway.admission.recorded import replay_span
from gateway.admission.replay import Replay
from gateway.admission.tally import Tally
from gateway.cli.check import explain
from gateway.cli.policy_diff import DIFFERENT, SAME, TROUBLE, read_policy
from gateway.cli.spans import read_span
from gateway.cli.stores import add_store_arguments, open_store
from gateway.cli.tables import write_table
from gateway.domain.instants import instant
from gateway.domain.money import format_usd
from gateway.domain.window import MICROSECONDS
from gateway.ledger.embedded import StoreFailed, find_server
from gateway.ledger.refused import count_lost
from gateway.ledger.scratch import ScratchLedger, scratch_store
from gateway.ledger.store import LedgerUnavailable
from gateway.ledger.views import Views
from gateway.policy import Policy, PolicyInvalid
from gateway.policy.revisions import RevisionUnreadable
from gateway.settings import SettingInvalid, read_settings

COLUMNS = ("tenant", "then", "now", "creates", "estimate_usd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("new", metavar="NEW", help="a folder, or a git revision of the policies folder")
    parser.add_argument("--since", default="7d", metavar="SPAN", help="how far back, such as 12h or 7d (the default)")
    parser.add_argument("--json", action="store_true", help="one object")
    add_store_arguments(parser)


def replay(flags: argparse.Namespace) -> int:
    """Exit 0 where every create would have come out as it did, 2 where one would not, 1 where it cannot be told."""
    try:
        settings = read_settings(flags, os.environ)
        span_us = int(read_span(flags.since).total_seconds()) * MICROSECONDS
        policy = read_policy(flags.new, settings.policies)
        tally, from_us = asyncio.run(_replay(flags, policy, span_us))
    except PolicyInvalid as invalid:
        explain(invalid)
        return TROUBLE
    except (SettingInvalid, RevisionUnreadable, StoreFailed, LedgerUnavailable, ValueError) as error:
        print(f"gateway policy replay: {error}", file=sys.stderr)
        return TROUBLE
    if flags.json:
        print(json.dumps(_object(tally, policy, from_us), indent=2))
    else:
        _write(tally, from_us)
    return DIFFERENT if tally.changed() else SAME


async def _replay(flags: argparse.Namespace, policy: Policy, span_us: int) -> tuple[Tally, int]:
    tally, from_us = Tally(), 0
    async with open_store(flags) as (settings, store):
        async with scratch_store(find_server(settings.store_binary)) as (scratch, scripts):
            for account in policy.accounts:
                now_us = await Views(store, account).now_us()
                from_us = now_us - span_us
                told = _progress(account, from_us, now_us)
                replaying = Replay(policy, account, ScratchLedger(scratch, scripts, account))
                await replay_span(store, replaying, from_us, tally, told)
        for account in policy.accounts:
            tally.notes["refusals were never written down"] += await count_lost(store, account)
    return tally, from_us


def _progress(account: str, from_us: int, now_us: int) -> Callable[[int], None]:
    """Tell a person at a terminal, once a second, how far a replay has come."""
    last = time.monotonic()

    def told(at_us: int) -> None:
        nonlocal last
        if sys.stderr.isatty() and time.monotonic() - last >= 1:
            last = time.monotonic()
            share = max(at_us - from_us, 0) / (now_us - from_us)
            print(f"\r{account}: {share:.0%}, at {instant(at_us)}", end="", file=sys.stderr, flush=True)

    return told


def _write(tally: Tally, from_us: int) -> None:
    print(f"creates since {instant(from_us)}")
    for admitted, text in ((True, "admitted"), (False, "refused")):
        creates, estimate = tally.unchanged(admitted=admitted)
        print(f"as before: {creates} {text}, {format_usd(estimate)} USD")
    changed = tally.changed()
    if changed:
        rows = [(*each, tally.creates[each], format_usd(tally.estimates[each])) for each in changed]
        write_table(COLUMNS, rows, 3)
    for note, count in sorted(tally.notes.items()):
        if count:
            print(f"note: {count} {note}")


def _object(tally: Tally, policy: Policy, from_us: int) -> dict[str, object]:
    return {
        "version": policy.version,
        "since": instant(from_us),
        "changed": [
            {**each._asdict(), "creates": tally.creates[each], "estimate_usd": format_usd(tally.estimates[each])}
            for each in tally.changed()
        ],
        "unchanged": {
            name: dict(zip(("creates", "estimate_usd"), _shown(tally.unchanged(admitted=admitted)), strict=True))
            for name, admitted in (("admitted", True), ("refused", False))
        },
        "notes": {note: count for note, count in sorted(tally.notes.items()) if count},
    }


def _shown(found: Sequence[int]) -> tuple[int, str]:
    return found[0], format_usd(found[1])
