"""The outbox: what tenants are still to be told of the ends of their predictions, and operators of alerts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.domain.webhook import Webhook
from gateway.domain.window import MICROSECONDS
from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store

#: Deliveries to one address of a scope at a time, over all workers.
SEATS = 4
#: Upstream tries its own webhook again after about 10 s: so long a settled end waits for that body.
OWN_BODY_SECONDS = 15.0
#: How long what was given up is kept.
DEAD_SECONDS = 30 * 86400


class Delivery(NamedTuple):
    """One webhook: a tenant's own, to the address that it wrote, or an alert's, to one of the policy.

    `id` is that of the reservation, or of the alert; `scope` the tenant's, or that of the address. `body` is None
    while upstream's own has not come. Times are the store's (µs): since when it is to be delivered, and when it was
    taken for this try. `said` is why the last one failed.
    """

    id: str
    scope: str
    webhook: Webhook
    body: bytes | None
    tries: int
    since_us: int
    taken_us: int
    said: str
    is_alert: bool = False

    @property
    def purpose(self) -> str:
        """What it is signed as: a tenant knows the secret of its webhooks, and not that of alerts about it."""
        return f"{'alerts' if self.is_alert else 'webhooks'} of {self.scope}"


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

    async def put(self, id_: str, scope: str, webhook: Webhook, body: bytes) -> bool:
        """Have an alert delivered to an address of a scope; returns whether it was not there before."""
        request = {"id": id_, "url": webhook.url, "lane": f"{scope} alerts {webhook.origin}", "seats": SEATS}
        what, *_ = await self._run("put", request, body)
        return bool(what == b"done")

    async def waits(self, reservation: str) -> bool:
        """Tell whether somebody is to be told of an end whose body has not come."""
        url, body = await self._store.read("HMGET", f"{self._prefix}:w:{reservation}", "url", "body")
        return url is not None and body is None

    async def take(self, most: int, lease_s: float) -> list[Delivery]:
        """Take what is due to be delivered; what is not told to have gone either way is due again."""
        request = {"most": most, "seats": SEATS, "lease_us": _us(lease_s)}
        _, now, *found = await self._run("post", request)
        return [_delivery(id_, dict(zip(flat[::2], flat[1::2], strict=True)), int(now)) for id_, flat in found]

    async def delivered(self, id_: str) -> bool:
        """Forget a webhook that was received; returns whether this call did it."""
        return await self._posted(id_, "delivered")

    async def failed(self, id_: str, said: str, again_s: float) -> bool:
        """Keep a webhook for another try; returns whether it was still to be delivered."""
        return await self._posted(id_, "failed", said, again_s)

    async def give_up(self, id_: str, said: str) -> bool:
        """Lay a webhook to the dead; returns whether this call did it."""
        return await self._posted(id_, "dead", said)

    async def again(self, id_: str) -> bool:
        """Deliver one of the dead again; returns whether it was one of them."""
        what, *_ = await self._run("repost", {"id": id_, "seats": SEATS})
        return bool(what == b"done")

    async def listed(self, most: int, *, dead: bool = False) -> list[Delivery]:
        """Give what is not delivered, or (`dead`) what was given up, the oldest first."""
        ids = await self._store.read("ZRANGE", f"{self._prefix}:{'dead' if dead else 'outbox'}", 0, most - 1)
        found = [(id_, await self._store.read("HGETALL", f"{self._prefix}:w:{id_.decode()}")) for id_ in ids]
        return [_delivery(id_, hook, 0) for id_, hook in found if hook]

    async def _posted(self, id_: str, result: str, said: str = "", again_s: float = 0) -> bool:
        told = {"result": result, "said": said, "due_us": _us(again_s)}
        what, *_ = await self._run("posted", {"id": id_, **told, "keep_s": DEAD_SECONDS, "seats": SEATS})
        return bool(what == b"done")

    async def _run(self, verb: str, request: object, *blobs: bytes) -> list[Any]:
        return await self._store.run(self._scripts[verb], self._prefix, request, *blobs)


def _delivery(id_: bytes, found: Mapping[bytes, bytes], taken_us: int) -> Delivery:
    return Delivery(
        id_.decode(),
        found[b"lane"].decode().partition(" ")[0],
        Webhook(found[b"url"].decode(), found[b"secret"].decode()),
        found.get(b"body"),
        int(found.get(b"tries", 0)),
        int(found.get(b"since", 0)),
        taken_us,
        found.get(b"said", b"").decode(),
        b"alert" in found,
    )


def _us(seconds: float) -> int:
    return int(seconds * MICROSECONDS)
