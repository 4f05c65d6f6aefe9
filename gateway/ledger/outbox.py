"""The outbox: what tenants are still to be told of the ends of their predictions; the scripts have the keys."""

from collections.abc import Mapping
from typing import Any

from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store

#: Deliveries to one tenant's address at a time, over all workers.
SEATS = 4
#: Upstream tries its own webhook again after about 10 s: so long a settled end waits for that body.
OWN_BODY_SECONDS = 15.0


class Outbox:
    """One account's outbox. Every method may raise LedgerUnavailable, and may be repeated."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self.account = account
        self._store = store
        self._scripts = scripts
        self._prefix = account_prefix(account)

    async def notice(self, reservation: str, prediction: str, body: bytes) -> bytes | None:
        """Keep the body that tells of a prediction's end; returns the first that came, None if nobody is to be told.

        It is sent from the settlement on, by whoever takes it.
        """
        request = {"id": reservation, "prediction": prediction, "seats": SEATS}
        what, _, standing = await self._run("notice", request, body)
        return standing if what in (b"done", b"known") else None

    async def waits(self, reservation: str) -> bool:
        """Tell whether somebody is to be told of an end whose body has not come."""
        url, body = await self._store.read("HMGET", f"{self._prefix}:w:{reservation}", "url", "body")
        return url is not None and body is None

    async def _run(self, verb: str, request: object, *blobs: bytes) -> list[Any]:
        return await self._store.run(self._scripts[verb], self._prefix, request, *blobs)
