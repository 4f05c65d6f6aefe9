"""Sightings: what the workers of all hosts share of their polls, so that upstream is asked once for all of them."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.domain.window import MICROSECONDS
from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store

#: A prediction is asked for at most once in this time, however many clients poll it on however many workers.
EVERY_SECONDS = 1.0
#: Longer ones are not shared: every worker asks for itself.
MOST_BYTES = 64 * 2**10


class Asked(NamedTuple):
    """The store's time of the question (microseconds), and what was seen how many microseconds before: empty while a
    worker is still asking upstream, None where the caller is to be that worker."""

    at_us: int
    age_us: int
    sighting: bytes | None


class Sightings:
    """One account's sightings; the content is the workers' affair. Every method may raise LedgerUnavailable."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._scripts = scripts
        self._prefix = account_prefix(account)

    async def ask(self, prediction: str) -> Asked:
        """Ask what was seen lately, or for the right to be the one that asks upstream."""
        request = {"prediction": prediction, "every_us": int(EVERY_SECONDS * MICROSECONDS)}
        what, at_us, age_us, sighting = await self._store.run(self._scripts["look"], self._prefix, request)
        return Asked(int(at_us), int(age_us), None if what == b"yours" else bytes(sighting))

    async def tell(self, prediction: str, asked: Asked, sighting: bytes) -> None:
        """Show the others what was seen, for the rest of its time; empty lets anybody ask again."""
        request = {"prediction": prediction, "asked_us": asked.at_us}
        shared = sighting if len(sighting) <= MOST_BYTES else b""
        await self._store.run(self._scripts["seen"], self._prefix, request, shared)
