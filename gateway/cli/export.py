"""`gateway ledger export`: the journal as JSON lines, each entry once however often it is cut off."""

import argparse
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.cli.check import load_or_explain
from gateway.cli.export_file import ExportFile, Line
from gateway.cli.stores import add_account_argument, named_account, open_store
from gateway.domain.money import format_usd
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.journal import Closed, Entry, JournalGap, Posted, next_fact, read_journal
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import Store

#: Entries that are written before they are brought onto the disk and acknowledged.
SYNC_EVERY = 5000
_MONEY = frozenset(("estimate", "hold", "cost", "more"))


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_account_argument(parser)
    parser.add_argument("--after", type=int, default=None, metavar="N", help="begin after this sequence number")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="append to a file, after the last entry in it; what is in it may be trimmed from then on",
    )
    where.add_argument(
        "--ack", type=int, metavar="N", help="write nothing; remember that entries up to N are kept elsewhere"
    )


async def export(flags: argparse.Namespace) -> int:
    """Export an account's journal. Raises ValueError, OSError and what a store raises."""
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        account = named_account(flags, policy)
        exporter = _Exporter(store, account)
        if flags.ack is not None:
            print(f"{account}: exported up to {await exporter.checkpoint.acknowledge(flags.ack)}")
        elif flags.output:
            with ExportFile(flags.output) as file:
                await exporter.to_file(file, flags.after)
        else:
            await exporter.to_stdout(flags.after or 0)
    return 0


class _Exporter:
    """Writes one account's journal."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account
        self.checkpoint = Checkpoint(store, load_scripts(), account)

    async def to_stdout(self, after: int) -> None:
        """Write it out; nobody knows what becomes of it there, so nothing is acknowledged."""
        async for entry in self._entries(after):
            sys.stdout.write(self._line(entry))

    async def to_file(self, file: ExportFile, after: int | None) -> None:
        """Go on where the file ends, or after an entry that comes later, and acknowledge what is on the disk.

        Where entries before the file's first one were never exported, nothing is: trim would drop them unseen.
        """
        (last, whole), written = await self._begin(file, after), 0
        async for entry in self._entries(last):
            file.write(self._line(entry).encode())
            last, written = entry.sequence, written + 1
            if written % SYNC_EVERY == 0:
                await self._keep(file, last, whole=whole)
        await self._keep(file, last, whole=whole)
        self._tell(f"{written} entries written, up to {last}")
        if not whole:
            self._tell(
                "nothing may be trimmed, since the file lacks entries that were never exported; "
                f"if they are kept elsewhere: gateway ledger export --ack {last}"
            )

    async def _begin(self, file: ExportFile, after: int | None) -> tuple[int, bool]:
        """Find where to go on, and whether all that comes before was exported, here or elsewhere."""
        ends, position = file.ends(), await self.checkpoint.position()
        exported = max(position.exported, position.floor)
        if ends is None:
            return after or 0, (after or 0) <= exported
        first, last = ends
        resumed = await self._resume(last)
        whole = first.sequence - 1 <= exported and (after or 0) <= max(resumed, exported)
        return max(resumed, after or 0), whole

    async def _keep(self, file: ExportFile, upto: int, *, whole: bool) -> None:
        file.sync()
        if whole:
            await self.checkpoint.acknowledge(upto)

    async def _entries(self, after: int) -> AsyncIterator[Entry]:
        """Give every entry behind a sequence number. Raises ValueError where some are not there any more."""
        last = after
        try:
            async for entry in read_journal(self._store, self._account, after):
                yield entry
                last = entry.sequence
            floor = (await self.checkpoint.position()).floor
            if floor > last:
                raise JournalGap(last + 1, floor)
        except JournalGap as gap:
            floor = (await self.checkpoint.position()).floor
            why = "they were trimmed before they were exported here" if gap.last <= floor else "they are lost"
            raise ValueError(f"{gap}: {why}; to go on without them: --after {gap.last}") from gap

    async def _resume(self, last: Line) -> int:
        """Find behind which entry to go on with a file, and see that its last one is this journal's."""
        if last.account != self._account:
            raise ValueError(f"the file is an export of the account {last.account!r}, not of {self._account!r}")
        if last.sequence <= (await self.checkpoint.position()).floor:
            return last.sequence
        found = await next_fact(self._store, self._account, last.sequence - 1)
        if found is None:
            raise ValueError(
                f"the journal ends before entry {last.sequence}, with which the file ends: "
                "it is of another ledger, or the store has lost entries; name another file"
            )
        sequence, fact = found
        if isinstance(fact, Closed) and fact.survived < last.sequence:
            self._tell(f"the file has entries behind {fact.survived} that a failover lost: entry {sequence} says so")
            return sequence - 1
        if (sequence, fact.at_us, fact.reservation) != (last.sequence, last.at_us, last.reservation):
            raise ValueError(f"entry {last.sequence} is another one in the file: it is of another ledger")
        return last.sequence

    def _tell(self, what: str) -> None:
        print(f"{self._account}: {what}", file=sys.stderr)

    def _line(self, entry: Entry) -> str:
        line = {
            "account": self._account,
            "sequence": entry.sequence,
            "event": entry.event,
            **{name: _shown(name, value) for name, value in msgspec.structs.asdict(entry.fact).items()},
            **(msgspec.structs.asdict(entry.labels) if isinstance(entry.fact, Posted) else {}),
        }
        line.pop("labels", None)  # a number of the store; what it stands for is in the line
        return json.dumps(line) + "\n"


def _shown(name: str, value: Any) -> Any:
    return format_usd(value) if name in _MONEY else value
