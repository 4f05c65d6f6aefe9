"""Lanes: how many creates of each tenant wait for an upstream slot, and how long one more would."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.ledger.decisions import Capacity
from gateway.ledger.postings import account_prefix
from gateway.ledger.requests import waiting_request
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store


class Lane(NamedTuple):
    """A tenant's part of an account's queue.

    A create that came now would have `ahead` others before it and wait `wait_us` (0: not known).
    """

    tenant: str
    waiting: int
    ahead: int
    wait_us: int


class Lanes:
    """Reads the queue of one account; changes nothing."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._script = scripts["waiting"]
        self._prefix = account_prefix(account)

    async def read(self, upstream: Sequence[Capacity]) -> list[Lane]:
        """Give the tenants whose creates wait for these keys. Raises LedgerUnavailable."""
        _, _, *lanes = await self._store.run(self._script, self._prefix, waiting_request(upstream))
        return [Lane(tenant.decode(), waiting, ahead, wait_us) for tenant, waiting, ahead, wait_us in lanes]
