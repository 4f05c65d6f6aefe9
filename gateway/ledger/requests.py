"""Requests: what the reserve and seed scripts are asked, as they take it."""

from collections.abc import Sequence
from types import MappingProxyType

from gateway.domain.limit import tenant_scope
from gateway.domain.window import MICROSECONDS
from gateway.ledger.checkpoint import TAIL
from gateway.ledger.decisions import Capacity, Order, Place, Rest, Unfit
from gateway.ledger.memory import Remembered
from gateway.ledger.postings import Postings, Snapshot

#: The longest time between a reserve and the first byte of its create: a worker that is later does not send.
SEND_SECONDS = 1.5
#: How long that byte may be on its way, for the rate of an upstream key to hold as upstream sees it: creates that are
#: admitted further apart than 60 s by SPREAD_SECONDS arrive 60 s apart, whichever of them is slow.
TRAVEL_SECONDS = 0.5
SPREAD_SECONDS = SEND_SECONDS + TRAVEL_SECONDS
#: How long the tickets of a worker's creates are kept after it was heard of last.
TICKET_SECONDS = 2
#: How many creates of one tenant may wait for an upstream slot.
MOST_WAITING = 1000
#: How long an upstream key rests where upstream does not say: the first time, and at the longest.
REST_SECONDS = MappingProxyType({Unfit.REFUSED: (300, 3600), Unfit.UNPAID: (60, 900), Unfit.LIMITED: (1, 60)})
LATE_SECONDS = 5  # a reserve that takes longer to arrive than this is refused: its worker has given up
LIVE = 200  # live reservations that are looked at in one step of a seed


def reserve_request(
    order: Order,
    postings: Postings,
    snapshot: Snapshot,
    upstream: Sequence[Capacity],
    at_us: int,
    replay: Remembered | None,
    worker: str = "",
) -> dict[str, object]:
    """Ask for a decision at a time of the store; `replay` is a create that was admitted before and is lost.

    `worker` is whose tickets in the queue are told apart from others'.
    """
    idem, hook = order.idempotency, order.webhook
    return {
        "id": order.id,
        "at": at_us,
        "tenant": order.tenant,
        "key": order.key,
        "model": order.model,
        "price": order.price_version,
        "input": order.input_digest,
        "estimate": order.estimate,
        "hold": order.hold,
        "facts": order.facts,
        "start": snapshot.start_us,
        "stop": snapshot.stop_us,
        "postings": postings.id,
        "scopes": postings.scopes,
        "counters": snapshot.counters,
        "checks": snapshot.checks,
        "upstream": upstream,
        "policy": order.policy,
        "send_us": in_us(SPREAD_SECONDS),
        "slot_us": in_us(order.slot_s),
        "stale_us": in_us(order.stale_s),
        "late_us": in_us(LATE_SECONDS),
        "queue": _queue(order.place, worker) if order.place else None,
        "idem": (f"{postings.prefix}:i:{order.tenant}:{idem[0]}", idem[1]) if idem else None,
        "webhook": (hook.url, hook.secret, f"{tenant_scope(order.tenant)} {hook.origin}") if hook else None,
        "dry": order.dry,
        "replay": (replay.admitted_us, replay.upstream_key, replay.prediction) if replay else None,
    }


def call_request(worker: str, upstream: Sequence[Capacity]) -> dict[str, object]:
    """Say that a worker is there whose creates wait, and ask whose turn it is."""
    return {"worker": worker, "lease_us": in_us(TICKET_SECONDS), **waiting_request(upstream)}


def waiting_request(upstream: Sequence[Capacity]) -> dict[str, object]:
    """Ask who waits."""
    return {"upstream": upstream, "send_us": in_us(SPREAD_SECONDS)}


def _queue(place: Place, worker: str) -> dict[str, object]:
    lease = {"worker": worker, "lease_us": in_us(TICKET_SECONDS), "most": MOST_WAITING}
    return {"weight": place.weight, "number": place.number, "stay": place.stay, **lease}


def rest_request(rest: Rest | None) -> dict[str, object] | None:
    """Ask for the upstream key of what is released to rest."""
    if rest is None:
        return None
    first_s, longest_s = REST_SECONDS[rest.why]
    bounds = {"first_us": in_us(first_s), "longest_us": in_us(longest_s)}
    return {"why": rest.why, "wait_us": in_us(rest.seconds), **bounds}


def seed_request(postings: Postings, snapshot: Snapshot) -> dict[str, object]:
    """Ask for a set of counters to be registered and brought up."""
    steps = {"tail": TAIL, "live_from": 0, "live_most": LIVE}
    return {"postings": postings.id, "text": postings.text, "counters": snapshot.counters, **steps}


def in_us(seconds: float) -> int:
    """Give a duration in microseconds."""
    return int(seconds * MICROSECONDS)
