"""The invariants as code: after every step of the store, now and then over its whole content, and at the end.

`Witness.observe` sees each script in the order in which the store ran it, with its request, its reply, the journal
entries that it wrote and how much it wrote at all; it keeps a `Reference` and compares. A broken invariant raises
`Violation`, whose first word names it: see the table in `NAMES`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from ledger.wire import LABELS

from simulation import alerts, trims
from simulation.grants import check_grants, needed_grants
from simulation.reference import WAYS, Correction, Held, Idem, Rate, Reference, Share
from simulation.violation import check

#: What an entry of the journal must say, by name.
Fact = Mapping[str, Any]
#: Verbs that may write without an entry in the journal.
UNWRITTEN = frozenset(
    (
        *("seed", "claim", "postpone", "absent", "alerts", "watch", "attend", "look", "seen", "refused"),
        *("call", "waiting", "sweep", "roll", "acknowledge", "trim", "turn"),
    )
)
OUTBOX = frozenset(("notice", "post", "posted"))  # write what tenants are told: see simulation.webhooks


class Witness:
    """Checks every script against the reference, and takes over what it did."""

    def __init__(self) -> None:
        self.ref = Reference()

    def observe(
        self, verb: str, req: Mapping[str, Any], blobs: Sequence[bytes], reply: Sequence[Any], wrote: "Wrote"
    ) -> None:
        """Check one script that ran."""
        at = max(wrote.now, self.ref.clock)
        what = reply[0].decode()
        self.ref.now, self.ref.seen = wrote.now, max(self.ref.seen, wrote.now)
        check("journal", int(reply[1]) == at, verb, "says it is", reply[1], "and it is", at)
        decide = getattr(self, f"_{verb}", None)
        fact = decide(req, blobs, what, list(reply[2:]), at) if decide else None
        self._journal(verb, fact, wrote, at)
        touched, self.ref.line.touched = self.ref.line.touched, False
        if fact is None and what != "buried" and not touched and verb not in UNWRITTEN | OUTBOX:
            check("repeat", not wrote.writes, verb, "answered", what, "and wrote", wrote.writes, "times")

    def _journal(self, verb: str, fact: Fact | None, wrote: "Wrote", at: int) -> None:
        expected = [] if fact is None else [(self.ref.sequence + 1, verb, at, fact)]
        found = [(e.sequence, e.event, e.at, {name: e.data.get(name) for name in fact or {}}) for e in wrote.entries]
        check("journal", found == expected, verb, "wrote", found, "and not", expected)
        self.ref.sequence += len(expected)
        self.ref.times += [at] * len(expected)
        self.ref.clock = at if expected else self.ref.clock

    def _reserve(self, req: Mapping[str, Any], _: object, what: str, rest: list[Any], at: int) -> Fact | None:
        ref = self.ref
        late = at - req["at"] > req["late_us"]
        check("repeat", (what == "late") == late, "a reserve of", req["at"], "at", at, "answered", what)
        first = ref.find(req["id"])
        known = first.state if first else ""
        known = known or ("released" if ref.graves.get(req["id"], 0) > at else "")
        if late or known:
            check("life", late or [what, *rest[:1]] == ["known", known.encode()], req["id"], "is", known, "got", what)
            return None
        if self._idempotent(req, what, rest, at):
            return None
        whole = all(c["start"] <= req["start"] < req["stop"] <= c["stop"] for c in req["counters"])
        over = not req["start"] <= at < req["stop"]
        check("limit", whole and (what == "window") == over, "windows of", req, "at", at, "answered", what)
        if what in ("window", "unseeded"):
            return None
        if what != "queued":  # which tells nothing of the limits: they decide when its turn comes
            refused = self._checks(req, rest[0] if what == "refused" else rest[1], what, at)
            check("limit", (what == "refused") == refused, req["id"], "answered", what, rest, "for", req)
        if what == "refused":
            ref.line.leave(req["id"])
            return None
        able, right = self._decided(req, rest, at)
        check("queue", what == right, req["id"], "got", what, "and not", right, "with", able, "and", ref.line)
        if what != "admitted":
            return None
        ref.line.leave(req["id"], admitted=True)
        return self._choose(req, able, rest, at)

    def _decided(self, req: Mapping[str, Any], rest: list[Any], at: int) -> tuple[dict[str, int], str]:
        """Give the upstream keys that can take a create, and what it is to be answered."""
        line, queue = self.ref.line, req["queue"] or {}
        able, free = self.ref.room(req, at)
        if line.tickets and not req["dry"]:
            line.drop(at)
        others, known = len(line.tickets), req["id"] in line.tickets
        if free and not others:
            return able, "admitted"
        may = known or (queue.get("stay") and len(line.lane(req["tenant"])) < queue["most"])
        if not (queue and may) or req["dry"]:
            return able, "admitted" if free > others else "busy"
        number = line.enter(req, at)
        if req["id"] in line.turns(free):
            return able, "admitted"
        if not queue["stay"]:
            line.leave(req["id"])
            return able, "busy"
        check("queue", rest[0] == number, req["id"], "has the number", rest, "and not", number)
        return able, "queued"

    def _call(self, req: Mapping[str, Any], _: object, __: object, rest: list[Any], at: int) -> None:
        """Check who is called."""
        line = self.ref.line
        if not line.tickets:
            return
        line.drop(at)
        if req["worker"] in line.leases:
            line.leases[req["worker"]] = at + req["lease_us"]
        turns = line.turns(self.ref.room(req, at)[1])
        check("queue", [each.decode() for each in rest[1]] == turns, "called are", rest, "and not", turns)

    def _waits(self, req: Mapping[str, Any], what: str, rest: list[Any], at: int) -> bool:
        """Check what is answered to a key whose first create waits for an upstream slot; returns whether one does."""
        line = self.ref.line
        key = req["idem"][0] if req["idem"] else ""
        first = line.first(key)
        if first is not None and first != req["id"] and not req["dry"]:
            line.drop(at)
            first = line.first(key)
        if first is None or first == req["id"]:
            return False
        right = "pending" if line.tickets[first].idem == tuple(req["idem"]) else "mismatch"
        named = what != "pending" or rest[0].decode() == first
        check("repeat", what == right and named, first, "waits, and its repeat got", what, rest)
        return True

    def _idempotent(self, req: Mapping[str, Any], what: str, rest: list[Any], at: int) -> bool:
        """Check what is answered to a key that was seen before; returns whether it was."""
        if self._waits(req, what, rest, at):
            return True
        first = self.ref.idems.get(req["idem"][0]) if req["idem"] else None
        words = ("mismatch", "answered", "pending", "doubted")
        if first is None or not self.ref.keeps(first):
            check("repeat", what not in words, req["id"], "has no first create, but got", what)
            return False
        state = self.ref.all[first.id].state
        right = "pending" if state == "held" else "doubted"
        if first.fingerprint != req["idem"][1]:
            right = "mismatch"
        elif first.status:
            right = "answered"
            check("repeat", what == right and rest[2] == first.body, first, "is repeated as", what, rest)
        check("repeat", what == right, first, "whose first is", state, "got", what, "and not", right)
        check("repeat", what == "mismatch" or rest[0].decode() == first.id, first, "got", rest)
        return True

    def _checks(self, req: Mapping[str, Any], found: Sequence[Sequence[int]], what: str, at: int) -> bool:
        """Compare what each limit was said to have used with the reference; returns whether one must refuse."""
        added = what == "admitted" and not req["dry"]
        refused = False
        check_grants(self.ref, req["checks"], at)
        for (kind, enforced, amount, place, interval, *_), shown in zip(req["checks"], found, strict=True):
            violated, used, held = bool(shown[0]), shown[1], shown[2]
            if kind == "rate":
                right = self._rate(amount, place, interval, shown, added, at)
            elif kind == "concurrency":
                taken = self.ref.slots(place, at)
                check("slots", used == taken + added, place, "takes", taken, "slots and shows", used, "at", at)
                right = taken + 1 > amount
            else:
                c = req["counters"][place - 1]
                sums = self.ref.sums(c["scope"], c["start"], c["stop"])
                if kind == "budget":
                    exact = (used, held) == (sums.charged, sums.held + added * req["hold"])
                    right = sums.charged + sums.held + req["hold"] > amount
                else:
                    exact, right = used == sums.predictions + added, sums.predictions + 1 > amount
                check("sums", exact, c["key"], "shows", shown, "and should", sums, "with", added and req["hold"])
            check("limit", violated == right, kind, amount, "at", place, "shows", shown)
            refused = refused or bool(right and enforced)
        return refused

    def _rate(self, burst: int, clock: str, interval: int, shown: Sequence[int], added: bool, at: int) -> bool:
        """Check a rate against a bucket of our own, and what any bucket must keep; tells if it is violated."""
        rate = self.ref.rates.get(clock)
        if rate is None or (rate.burst, rate.interval) != (burst, interval):
            rate = Rate(burst, interval, at, rate.empty if rate else 0, rate.back if rate else 0)
            self.ref.rates[clock] = rate
        if at < rate.empty <= self.ref.seen and list(shown) == [0, added, 0, 0]:
            # It was empty, and its key had expired, before the store's clock was set back: time begins anew.
            rate.empty = rate.since = at
        empty = max(rate.empty, at)
        wait, used = empty - at - interval * (burst - 1), -(-(empty - at) // interval)
        right = [int(wait > 0), used + added, 0, max(wait, 0)]
        check("limit", list(shown) == right, "the rate", clock, "shows", shown, "and should", right)
        if wait <= 0:
            admitted = [r for r in self.ref.all.values() if any(s.clock == clock for s in r.shares)]
            stayed = [r.admitted for r in admitted if r.admitted >= rate.since and r.state != "released"]
            for back, first in enumerate(reversed(stayed), 2):
                fits = back * interval <= burst * interval + (at - first) + back  # a microsecond each for rounding
                check("limit", fits, "the rate", clock, "admits", back, "in", at - first, "µs with burst", burst)
        return wait > 0

    def _shares(self, req: Mapping[str, Any], found: Sequence[Sequence[int]], at: int) -> tuple[Share, ...]:
        """Fill the buckets of an admitted create."""
        shares = []
        for (kind, _, _, clock, interval, *_), shown in zip(req["checks"], found, strict=True):
            if kind == "rate" and not shown[0]:
                rate = self.ref.rates[clock]
                rate.empty = max(rate.empty, at) + interval
                shares.append(Share(clock, interval, rate.empty + rate.back))
        return tuple(shares)

    def _give_back(self, held: Held, at: int) -> None:
        """Take the undrained part of a released create out of its buckets."""
        for clock, interval, stop in held.shares:
            rate = self.ref.rates[clock]
            left = min(interval, stop - rate.back - at)
            if left > 0:
                rate.empty, rate.back = rate.empty - left, rate.back + left

    def _choose(self, req: Mapping[str, Any], able: Mapping[str, int], rest: list[Any], at: int) -> Fact | None:
        """Check the choice of an upstream key, and begin the reservation."""
        upstream = rest[0].decode()
        best = upstream in able and able[upstream] == max(able.values())
        check("upstream", best, upstream, "is chosen of", able)
        if req["dry"]:
            return None
        idem = req["idem"]
        who = (req["id"], req["tenant"], req["key"], req["model"], req["estimate"], req["hold"])
        where = (at, tuple(req["scopes"]), upstream, at + req["slot_us"])
        self.ref.add(Held(*who, *where, self._shares(req, rest[1], at), idem[0] if idem else None))
        if idem:
            self.ref.idems[idem[0]] = Idem(req["id"], idem[1])
        alerts.admitted(self.ref, req, rest[1], at)
        names = ("id", *LABELS, "estimate", "hold")
        return {name: req[name] for name in names} | {"grants": needed_grants(req["checks"], rest[1])}

    def _roll(self, _: object, __: object, what: str, rest: list[Any], *___: object) -> None:
        check("journal", what == "done", "a roll answers", what, rest)
        trims.rolled(self.ref, rest)

    def _acknowledge(self, req: Mapping[str, Any], _: object, what: str, *__: object) -> None:
        trims.acknowledged(self.ref, req, what)

    def _trim(self, req: Mapping[str, Any], _: object, __: str, rest: list[Any], at: int) -> None:
        trims.trimmed(self.ref, req, rest, at)

    def _watch(self, req: Mapping[str, Any], _: object, __: object, rest: list[Any], at: int) -> None:
        alerts.watched(self.ref, req, rest[0], at)

    def _alerts(self, req: Mapping[str, Any], _: object, __: object, rest: list[Any], *___: object) -> None:
        alerts.claimed(self.ref, req["told"], rest[1:])

    def _step(self, event: str, req: Mapping[str, Any], what: str) -> Held | None:
        """Take the way of the table; None where there is none, which the reply must say."""
        held = self.ref.find(req["id"])
        if held is None:
            right = "no_way" if self.ref.graves.get(req["id"], 0) > self.ref.seen else "unknown"
            check("life", what == right, event, "of an unknown", req["id"], "answered", what)
            return None
        to = WAYS.get((held.state, event))
        if to is None:
            check("life", what == "no_way", event, "of", held, "answered", what)
            return None
        check("life", what == "done", event, "of", held, "answered", what)
        held.state = to
        return held

    def _keep(self, held: Held, req: Mapping[str, Any], at: int) -> None:
        """Note that it ended, and until when its answer is kept; it is kept itself until it is swept."""
        held.ended = at
        self.ref.ended.append(held)
        if held.idem:
            self.ref.idems[held.idem].gone_at = self.ref.now + req["idem_s"] * 1_000_000

    def _sweep(self, req: Mapping[str, Any], _: object, __: str, rest: list[Any], at: int) -> None:
        self.ref.line.drop(at)
        ended, swept = self.ref.ended, 0
        while swept < req["most"] and ended and ended[0].ended + req["keep_s"] * 1_000_000 <= at:
            ended.popleft().swept = True
            swept += 1
        check("quiet", rest[0] == swept, rest[0], "were swept and not", swept)

    def _confirm(self, req: Mapping[str, Any], blobs: Sequence[bytes], what: str, *_: object) -> Fact | None:
        held, prediction = self.ref.find(req["id"]), req["prediction"]
        if held and (held.state, "confirm") in WAYS and self.ref.find(self.ref.owners.get(prediction, "")):
            check("life", what == "taken", prediction, "is another's, but", held, "got it")
            return None
        held = self._step("confirm", req, what)
        if held is None:
            return None
        self.ref.owners[prediction], held.prediction = held.id, prediction
        if held.idem and req["status"]:
            first = self.ref.idems[held.idem]
            first.status, first.body = req["status"], blobs[0]
        return {"id": held.id, "prediction": prediction}

    def _doubt(self, req: Mapping[str, Any], _: object, what: str, *__: object) -> Fact | None:
        held = self._step("doubt", req, what)
        if held is not None:
            held.doubted = True
        return None if held is None else {"id": held.id, "reason": req["reason"]}

    def _finish(self, req: Mapping[str, Any], _: object, what: str, rest: list[Any], at: int) -> Fact | None:
        held = self._step("finish", req, what)
        first = held is not None and not held.finished
        if held is not None and first:
            held.finished = at
        known = self.ref.find(req["id"])
        check("life", int(rest[1]) == (known.finished if known else 0), known, "finished at", rest[1])
        return {"id": req["id"], "status": req["status"]} if first else None

    def _settle(self, req: Mapping[str, Any], _: object, what: str, rest: list[Any], at: int) -> Fact | None:
        held = self._step("settle", req, what)
        if held is not None:
            held.cost = held.settled_at_first = req["cost"]
            held.how = "overrun" if req["cost"] > held.hold else req["how"]
            held.finished = held.finished or at
            self._keep(held, req, at)
        known = self.ref.find(req["id"])
        right = (known.cost, known.how) if known else (0, "")
        check("life", (int(rest[1]), rest[2].decode()) == right, "settle answered", rest, "for", known)
        return (
            None if held is None else _named(held, "id", "cost", "how", "tenant", "key", "model", "estimate", "hold")
        )

    def _correct(self, req: Mapping[str, Any], _: object, what: str, __: object, at: int) -> Fact | None:
        held = self.ref.all[req["id"]]
        due = self.ref.keeps(held) and held.how in ("assumed", "released") and req["cost"] != held.cost
        check("life", (what in ("done", "window")) == due, "a correction of", held, "answered", what)
        if what != "done":
            return None
        more, again = req["cost"] - held.cost, int(held.how == "released")
        posted = at if more > 0 else held.admitted
        self.ref.corrections.append(Correction(held.id, held.scopes, posted, more, again))
        held.cost, held.how = req["cost"], "late"
        names = ("id", "cost", "tenant", "key", "model", "admitted")
        return _named(held, *names) | {"more": more, "predictions": again}

    def _release(self, req: Mapping[str, Any], _: object, what: str, __: object, at: int) -> Fact | None:
        if self.ref.find(req["id"]) is None:
            self.ref.line.leave(req["id"])
            buried = self.ref.graves.get(req["id"], 0) > at
            check("life", what == ("no_way" if buried else "buried"), "release of unknown", req["id"], "got", what)
            if not buried:
                self.ref.graves[req["id"]] = at + req["grave_s"] * 1_000_000
            return None
        held = self._step("release", req, what)
        if held is None:
            return None
        held.unsent, held.how, held.reason = not req["sent"], "released", req["reason"]
        self.ref.released(held.upstream, req, at)
        self._give_back(held, at)
        self._keep(held, req, at)
        if held.idem:
            del self.ref.idems[held.idem]
        return _named(held, "id", "reason", "tenant", "key", "model", "estimate", "hold", "admitted")


def _named(held: Held, *names: str) -> Fact:
    return {name: getattr(held, name) for name in names}


class Line(msgspec.Struct, frozen=True):
    """A journal entry as the store has it."""

    sequence: int
    event: str
    at: int
    data: dict[str, Any]


class Wrote(msgspec.Struct, frozen=True):
    """What a script did beside its reply: at which store time, how many writes, which journal entries."""

    now: int
    writes: int
    entries: list[Line]


class Content(msgspec.Struct, frozen=True):
    """The store's indexes and counters, read at one moment."""

    now: int
    live: set[str]
    held: set[str]
    doubt: set[str]
    due: set[str]
    slots: dict[str, dict[str, float]]
    upstream_slots: dict[str, dict[str, float]]
    records: dict[str, dict[str, str]]
    alerts: dict[str, int]
    clocks: dict[str, int]


def check_content(ref: Reference, content: Content) -> None:
    """Compare the store's indexes and records with the reference."""

    def ids(*states: str) -> set[str]:
        return {each.id for each in ref.all.values() if each.state in states}

    live = ids("held", "running", "in_doubt")
    check("sums", content.live == live, "live differs by", content.live ^ live)
    check("sums", content.held == ids("held"), "held differs by", content.held ^ ids("held"))
    check("sums", content.doubt == ids("in_doubt"), "doubt differs by", content.doubt ^ ids("in_doubt"))
    check("quiet", content.due == live, "due differs from live by", content.due ^ live)
    alerts.check_counted(ref, content.alerts)
    at = max(content.now, ref.clock)
    for name, lists, by in (("scope", content.slots, ref.by_scope), ("key", content.upstream_slots, ref.by_key)):
        for place, members in lists.items():
            taken = {id_ for id_, until in members.items() if until > at}
            right = {each.id for each in by[place] if each.in_slot(at)}
            check("slots", taken == right, name, place, "differs by", taken ^ right)
            check("slots", set(members) <= live, name, place, "keeps slots of the ended", set(members) - live)
    for name, rate in ref.rates.items():
        # A bucket that is empty needs no clock; one that is not has it to the microsecond.
        empty = content.clocks.get(name, 0)
        check(
            "limit",
            empty == rate.empty or max(empty, rate.empty) <= max(at, ref.seen),
            "the rate",
            name,
            "is empty at",
            empty,
            "not",
            rate.empty,
        )
    kept = {held.id for held in filter(ref.keeps, ref.all.values())}
    found = {id_ for id_, record in content.records.items() if "tenant" in record or "labels" in record}
    check("quiet", found == kept, "records differ by", found ^ kept)
    for held in filter(ref.keeps, ref.all.values()):
        check_record(held, content.records.get(held.id, {}))


def check_record(held: Held, record: Mapping[str, str]) -> None:
    """Compare one record."""
    right = {"state": held.state, "hold": str(held.hold), "upstream": held.upstream}
    right |= {"prediction": held.prediction} if held.prediction else {}
    right |= {} if held.live else {"cost": str(held.cost), "how": held.how}
    check("life", right.items() <= record.items(), held, "is kept as", record)
    left = {"counters", "scopes", "rates"} & record.keys()
    check("quiet", held.live or not left, held, "has ended and still keeps", left)


def check_quiet(ref: Reference) -> None:
    """After quiet nothing is live."""
    live = [each for each in ref.all.values() if each.live]
    check("quiet", not live, len(live), "are still live, such as", live[:2])
    alerts.check_told(ref)


def check_bill(ref: Reference, executions: Iterable[Any], owner_of: Callable[[Any], str]) -> None:
    """Compare every charge with upstream's bill; what was assumed must have been in need of it.

    `owner_of` tells the reservation that a run was truly sent for. Equal creates of one tenant may have each other's.
    """
    ran = {each.id: each for each in executions}
    for held in ref.all.values():
        run = ran.get(held.prediction)
        check("bill", not held.prediction or run, held, "has a prediction that upstream never made")
        if run is None:
            alone = held.state == "released" or (held.how == "assumed" and held.cost == held.estimate)
            check("bill", alone, held, "is charged, but nothing ran")
            continue
        own = ref.all[owner_of(run)]
        same = (own.tenant, own.key, own.model) == (held.tenant, held.key, held.model)
        check("bill", same and (own is held or (own.doubted and held.doubted)), held, "was given", run, "of", own)
        if held.how == "assumed":
            unsaid = not run.stated or run.cost == held.cost or not ref.keeps(held)  # nobody looked while it was kept
            needed = held.cost == held.estimate and unsaid
            check("bill", needed, held, "was assumed, but upstream states", run)
        else:
            check("bill", held.cost == run.cost and run.ended, held, "is charged for", run)
    for run in ran.values():
        own = ref.all[owner_of(run)]
        # Nobody claims what was contested until the horizon: its own create was then charged at the estimate.
        check("bill", run.id in ref.owners or own.how == "assumed", run, "ran and nobody was charged for", own)
