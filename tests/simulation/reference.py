"""The reference: what the ledger should hold, kept in plain Python beside it. It knows nothing of the scripts."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simulation.line import Line
from simulation.pool import Rests

#: A reservation's life, written down a second time on purpose.
WAYS = {
    ("held", "confirm"): "running",
    ("held", "doubt"): "in_doubt",
    ("held", "release"): "released",
    ("running", "finish"): "running",
    ("running", "settle"): "settled",
    ("in_doubt", "confirm"): "running",
    ("in_doubt", "settle"): "settled",
    ("in_doubt", "release"): "released",
}
LIVE = frozenset(("held", "running", "in_doubt"))


@dataclass
class Held:
    """One reservation; times in microseconds, money in units."""

    id: str
    tenant: str
    key: str
    model: str
    estimate: int
    hold: int
    admitted: int
    scopes: tuple[str, ...]
    upstream: str
    slot_until: int
    shares: tuple["Share", ...]
    idem: str | None
    state: str = "held"
    cost: int = 0
    settled_at_first: int = 0
    how: str = ""
    prediction: str = ""
    finished: int = 0
    unsent: bool = False
    doubted: bool = False
    reason: str = ""
    ended: int = 0
    swept: bool = False

    @property
    def live(self) -> bool:
        return self.state in LIVE

    def in_slot(self, at: int) -> bool:
        return self.live and not self.finished and self.slot_until > at


class Share(NamedTuple):
    """What a create took of a rate's bucket: its length, and where it ends counted with all that was given back."""

    clock: str
    interval: int
    stop: int


class Correction(NamedTuple):
    """A difference that was posted after the end, for a time."""

    id: str
    scopes: tuple[str, ...]
    at: int
    more: int
    predictions: int


@dataclass
class Idem:
    """What is known of an Idempotency-Key."""

    id: str
    fingerprint: str
    status: int = 0
    body: bytes = b""
    gone_at: int = 0


@dataclass
class Rate:
    """A rate's clock: since when it has its numbers, when its bucket is empty, all that was given back."""

    burst: int
    interval: int
    since: int
    empty: int = 0
    back: int = 0


@dataclass
class Raised:
    """A threshold that was reached: the counter's key, the limit, and its use at the time."""

    key: str
    kind: str
    name: str
    limit: int
    used: int
    held: int
    at: int
    forgotten: bool = False


class Sums(NamedTuple):
    """What a counter should show."""

    charged: int
    held: int
    predictions: int


@dataclass
class Reference:
    """Every reservation that was ever admitted, and the sums over them; `now` is the store's time, and `seen`
    the latest that it has been."""

    all: dict[str, Held] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    idems: dict[str, Idem] = field(default_factory=dict)
    #: What has ended and is kept, in the order of the ends.
    ended: deque[Held] = field(default_factory=deque)
    graves: dict[str, int] = field(default_factory=dict)
    rates: dict[str, Rate] = field(default_factory=dict)
    corrections: list[Correction] = field(default_factory=list)
    alerts: dict[str, Raised] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    #: Every grant that any policy ever had, by its reason: what it raises by, and its instants.
    grants: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    rests: Rests = field(default_factory=Rests)
    line: Line = field(default_factory=Line)
    clock: int = 0
    now: int = 0
    seen: int = 0
    sequence: int = 0
    #: Times of the journal's entries, where the checkpoint is, what was dropped, and what was exported.
    times: list[int] = field(default_factory=list)
    rolled: int = 0
    floor: int = 0
    exported: int = 0
    by_scope: defaultdict[str, list[Held]] = field(default_factory=lambda: defaultdict(list))
    by_key: defaultdict[str, list[Held]] = field(default_factory=lambda: defaultdict(list))

    def add(self, held: Held) -> None:
        self.all[held.id] = held
        self.by_key[held.upstream].append(held)
        for scope in held.scopes:
            self.by_scope[scope].append(held)

    def find(self, id_: str) -> Held | None:
        """Give a reservation whose record is still kept."""
        held = self.all.get(id_)
        return held if held and self.keeps(held) else None

    def keeps(self, kept: Held | Idem) -> bool:
        """Tell whether what has ended is still kept; an answer until the latest time that the store has seen."""
        return not kept.swept if isinstance(kept, Held) else not 0 < kept.gone_at <= self.seen

    def is_news(self, mark: str, length: int, at: int) -> bool:
        """Tell whether a threshold that is reached was not yet in its window; one that rolls has this length."""
        last = self.marks.get(mark)
        return last is None or bool(length and at - last >= length)

    def raise_alert(self, mark: str, id_: str, raised: Raised) -> None:
        self.marks[mark], self.alerts[id_] = raised.at, raised

    def sums(self, scope: str, start: int, stop: int) -> Sums:
        charged = held = predictions = 0
        for each in reversed(self.by_scope[scope]):
            if each.admitted < start:
                break
            if each.admitted < stop:
                charged += each.settled_at_first
                held += each.hold if each.live else 0
                predictions += each.state != "released"
        corrections = [c for c in self.corrections if scope in c.scopes and start <= c.at < stop]
        charged += sum(each.more for each in corrections)
        return Sums(charged, held, predictions + sum(each.predictions for each in corrections))

    def slots(self, scope: str, at: int) -> int:
        return sum(each.in_slot(at) for each in self.by_scope[scope])

    def released(self, key: str, req: Mapping[str, Any], at: int) -> None:
        """Note that a create was released, and perhaps its upstream key refused."""
        if req["rest"]:
            self.rests.refused(key, req["rest"], at)

    def room(self, req: Mapping[str, Any], at: int) -> tuple[dict[str, int], int]:
        """Give the free slots of the upstream keys that can take a create, and how many creates all can take."""
        keys, free = {key: (per_minute, slots) for key, per_minute, slots in req["upstream"]}, 0
        able = dict[str, int]()
        for key in self.rests.able(list(keys), at, patient=bool(req.get("queue", True))):
            per_minute, slots = keys[key]
            span = 60_000_000 + req["send_us"]
            recent = sum(each.admitted > at - span for each in self.by_key[key] if not each.unsent)
            slots_free = slots - sum(each.in_slot(at) for each in self.by_key[key])
            if min(per_minute - recent, slots_free) > 0:
                able[key] = slots_free
                free += min(per_minute - recent, slots_free)
        return able, free
