"""Refused: a bounded log of the creates that policy or limits refused, for those who think of another policy.

It is written beside the requests and as far as it goes. Of a request it holds what a price and a limit are made of:
never what was asked for, nor an address.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

import msgspec

from gateway.domain.errors import Code
from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store

#: About how many are kept in the store, some 100 bytes each.
KEPT = 200_000
#: How long they are gathered before they are written, and how many at the most; a flood beyond that is only counted.
GATHER_SECONDS = 1.0
GATHERED = 500
PAGE = 500


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """A create that was refused: when by the store's clock, whose, and what it would have held.

    Money in units of 1e-8 USD, 0 where it has no price; `facts` are what of the input decides its price.
    """

    at_us: int
    tenant: str
    key: str
    model: str
    code: Code
    price_version: str
    estimate: int
    hold: int
    facts: str


class RefusalLog:
    """Writes the refusals of one account; `keep` runs what goes on beside the requests."""

    def __init__(
        self,
        store: Store,
        scripts: Mapping[str, Script],
        account: str,
        keep: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._store = store
        self._script = scripts["refused"]
        self._prefix = account_prefix(account)
        self._keep = keep
        self._gathered: list[bytes] = []
        self._lost = 0
        self._writing = False

    def note(self, refusal: Refusal) -> None:
        """Take a refusal down; it is written within moments, unless there are too many or the store is away."""
        if len(self._gathered) < GATHERED:
            self._gathered.append(msgspec.msgpack.encode(refusal))
        else:
            self._lost += 1
        if not self._writing:
            self._writing = True
            self._keep(self._write())

    async def _write(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        (entries, lost), self._gathered, self._lost, self._writing = (self._gathered, self._lost), [], 0, False
        try:
            await self._store.run(self._script, self._prefix, {"most": KEPT, "lost": lost}, *entries)
        except LedgerUnavailable:
            self._lost += lost + len(entries)


async def read_refusals(store: Store, account: str, from_us: int) -> AsyncIterator[Refusal]:
    """Give the refusals of an account from a time on, about in their order. Raises LedgerUnavailable."""
    stream = f"{account_prefix(account)}:refused"
    after = str(max(from_us // 1000 - 1, 0))
    while True:
        page = await store.read("XRANGE", stream, f"({after}", "+", "COUNT", PAGE)
        for id_, flat in page:
            after = id_.decode()
            found = msgspec.msgpack.decode(flat[b"e"] if isinstance(flat, dict) else flat[1], type=Refusal)
            if found.at_us >= from_us:
                yield found
        if len(page) < PAGE:
            return


async def count_lost(store: Store, account: str) -> int:
    """Give how many refusals were never written down. Raises LedgerUnavailable."""
    return int(await store.read("GET", f"{account_prefix(account)}:refused:lost") or 0)
