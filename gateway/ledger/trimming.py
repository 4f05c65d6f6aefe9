"""Trimming: drops what the journal need not keep any more, once the checkpoint was seen to have it right."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.ledger.audit import Auditor
from gateway.ledger.checkpoint import STEP, Checkpoint, Position
from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store


class Trimmed(NamedTuple):
    """What became of a trim: entries dropped, and where the journal stands; with faults nothing is dropped."""

    dropped: int
    position: Position
    faults: list[str]


class Trimmer:
    """Trims one account's journal. It may be cut off anywhere, repeated, and run by several at once: each step drops
    some entries whole or does nothing. Every method may raise LedgerUnavailable."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._script = scripts["trim"]
        self._prefix = account_prefix(account)
        self._checkpoint = Checkpoint(store, scripts, account)
        self._auditor = Auditor(store, scripts, account)

    async def drop_old(self, older_us: int) -> Trimmed:
        """Drop entries that are so old, after the checkpoint was verified by itself and what is behind it."""
        await self._checkpoint.roll()
        report = await self._auditor.verify_checkpoint()
        return await self._drop(report.rolled, report.faults, {"exported": False, "older_us": older_us})

    async def drop_exported(self, older_us: int | None = None) -> Trimmed:
        """Drop what an export has acknowledged, and what is so old, after all was verified by the whole journal."""
        await self._checkpoint.roll()
        report = await self._auditor.verify()
        request = {"exported": True, "older_us": -1 if older_us is None else older_us}
        return await self._drop(report.rolled, report.faults, request)

    async def _drop(self, upto: int, faults: list[str], which: Mapping[str, object]) -> Trimmed:
        dropped, found = 0, 0 if faults else STEP
        while found == STEP:
            request = {"upto": upto, "most": STEP, **which}
            _, _, found, _ = await self._store.run(self._script, self._prefix, request)
            dropped += int(found)
        return Trimmed(dropped, await self._checkpoint.position(), faults)
