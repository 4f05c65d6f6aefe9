"""Failovers under simulation: the store is replaced by an older copy of itself, which lost what it acknowledged last.

A world of its own: what a script should answer after a loss is not reckoned step by step, as `invariants` does. The
journal that survived says what the ledger has; upstream's books and what clients were told say what it should have.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis

from gateway.domain.reservation import UNATTRIBUTED
from gateway.ledger.audit import Auditor
from gateway.ledger.scripts import Script
from gateway.ledger.spending import read_spending
from gateway.ledger.store import Store
from simulation import trims
from simulation.invariants import Line, Witness, Wrote
from simulation.reference import Held
from simulation.simulator import QUIET_S, World
from simulation.store import SimClient
from simulation.upstream import LAG_S, Run
from simulation.violation import check

#: How long a replica may be behind when it becomes primary, and how often one does.
BEHIND_S, APART_S = (0.02, 0.5, 4.0, 12.0), 60.0
COPY = """
for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, key, 'DB', 1, 'REPLACE') end
"""


class Follower(Witness):
    """Follows the journal, also back to where a loss has set it, and sees that nothing is admitted too early."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False
        #: Every create that was ever admitted, whatever became of the store: id → as it was.
        self.admitted: dict[str, Held] = {}
        self.reopened = lambda: None

    def observe(
        self, verb: str, req: Mapping[str, Any], _: Sequence[bytes], reply: Sequence[Any], wrote: Wrote
    ) -> None:
        """Take over what a script wrote into the journal."""
        if verb == "reserve" and reply[0] == b"admitted" and not req["dry"] and not req["replay"]:
            check("failover", not self.lost, req["id"], "is admitted before what was lost is found out")
        self.ref.now = self.ref.seen = wrote.now
        for line in wrote.entries:
            self.follow(line)
            if line.event == "reserve":
                upstream = req["replay"][1] if req["replay"] else reply[2].decode()
                self.ref.all[line.data["id"]].upstream = upstream
                self.admitted.setdefault(line.data["id"], self.ref.all[line.data["id"]])
            if line.event == "reopen":
                self.lost = False
                self.reopened()

    def follow(self, line: Line) -> None:
        """Take the next entry."""
        data, self.ref.sequence = line.data, line.sequence
        if line.event == "reserve":
            names = ("id", "tenant", "key", "model", "estimate", "hold")
            self.ref.add(Held(*(data[name] for name in names), line.at, (), "", 0, (), None))
            return
        held = self.ref.all.get(data["id"])
        if held is None:
            check("failover", line.event in ("close", "reopen"), line, "is about nobody")
            return
        if line.event == "confirm":
            held.state, held.prediction = "running", data["prediction"]
            self.ref.owners[held.prediction] = held.id
        elif line.event == "doubt":
            held.state, held.doubted = "in_doubt", True
        elif line.event in ("settle", "release"):
            held.state = "settled" if line.event == "settle" else "released"
            held.how, held.cost = data.get("how", "released"), data.get("cost", 0)
        elif line.event == "correct":
            held.how, held.cost = "late", data["cost"]

    def forget(self) -> None:
        """Begin anew, since the journal is another one."""
        self.ref.all.clear()
        self.ref.owners.clear()
        self.ref.sequence, self.lost = 0, True


class FailoverWorld(World):
    """A run in which the store loses what it acknowledged, again and again."""

    def __init__(self, seed: int, redis: "Redis[bytes]", scripts: Mapping[str, Script], busy_s: float) -> None:
        super().__init__(seed, redis, scripts, busy_s)
        self.night_s = 30.0
        # Not checked, since of which key a lost create was nobody knows: a key may be used too much for a minute.
        self.upstream.limits = lambda _key: (10**6, 10**6)
        self.follower = self.server.witness = Follower()
        self.follower.reopened = self._check_known
        self.server.after = lambda: None
        self.failovers = 0

    def first_byte(self, request_id: str, key: str) -> str:
        """A create leaves for upstream, once, after it was admitted; its hold may be lost meanwhile."""
        scope = self.clients.scopes[request_id]
        reservation = scope["state"]["facts"].get("reservation", "")
        held = self.follower.admitted.get(reservation)
        check("sent", held is not None and held.upstream == key, request_id, "is sent for", held)
        check("sent", reservation not in self.sent, reservation, "is sent twice")
        self.sent.add(reservation)
        tenant: str = scope["tenant"]
        return tenant

    def actors(self) -> list[Any]:
        """Give what goes on while the run is busy."""
        clients = [self.clients.client(self.chaos.random.choice((0.5, 2, 8))) for _ in range(6)]
        return [*clients, self._reloads(), self._deaths(), self._outages(), self._failovers()]

    async def _failovers(self) -> None:
        chance = self.chaos.random
        while True:
            await asyncio.sleep(chance.expovariate(1 / APART_S))
            self.server.redis.eval(COPY, 0)  # from here on nothing reaches the replica
            await asyncio.sleep(chance.choice(BEHIND_S) * chance.random())
            self._fail_over()
            if chance.random() < 0.5:
                self.down_until = self.loop.time() + chance.uniform(0.1, 10)

    def _fail_over(self) -> None:
        self.failovers += 1
        redis, before = self.server.redis, set(self.follower.ref.all)
        redis.flushdb()
        redis.swapdb(0, 1)
        redis.script_flush()
        redis.set(
            "sim:replication", f"master_replid:{self.failovers:040x}\nmaster_replid2:{self.failovers - 1:040x}1\n"
        )
        self.follower.forget()
        for line in self.server.journal():
            self.follower.follow(line)
        hits, lost = self.chaos.hits, before - set(self.follower.ref.all)
        hits["failover"], hits["create lost"] = self.failovers, hits.get("create lost", 0) + len(lost)
        self.clients.forget_keys()  # the answer to a key may be lost with its worker

    async def _quiet(self) -> None:
        """Wait until the account is open and nothing is live, at the longest to the horizon."""
        end = self.loop.time() + QUIET_S
        while self.loop.time() < end and (self.follower.lost or any(h.live for h in self.follower.ref.all.values())):
            await self._watch([], 5)
        await self._watch([], 110)
        check("quiet", not self.follower.lost, "the account is still closed")
        live = [each for each in self.follower.ref.all.values() if each.live]
        check("quiet", not live, len(live), "are still live, such as", live[:2])
        await self._look_once_more()

    def _check_known(self) -> None:
        """Where creates are admitted again, the ledger has all that upstream's list shows by then."""
        shown = [run for run in self.upstream.runs.values() if run.begun < self.loop.time() - LAG_S - 5]
        lost = [run for run in shown if not self._knows(run)]
        check("failover", not lost, "creates are admitted again, and nobody knows", lost[:2])

    def _knows(self, run: Run) -> bool:
        return run.id in self.follower.ref.owners or self._owner_of(run) in self.follower.ref.all

    async def check_all(self) -> None:
        """Compare ledger and bill."""
        ref = self.follower.ref
        store = Store(SimClient(self.server, trims.calm(), lambda: False))
        report = await Auditor(store, self._scripts, "up").verify()
        check("audit", not report.faults and report.live == 0, report)
        spent = sum(each.charged for each in (await read_spending(store, self._scripts, "up")).values())
        check("bill", spent == sum(each.cost for each in ref.all.values()), "the spending is", spent)
        for worker in self.workers:
            worker.kill()
        for held in ref.all.values():
            self._check_charge(held)
        for run in self.upstream.runs.values():
            own = ref.all.get(self._owner_of(run))
            known = run.id in ref.owners or (own is not None and own.how == "assumed")
            check("bill", known, run, "ran and nobody was charged for", own)

    def _check_charge(self, held: Held) -> None:
        run = self.upstream.runs.get(held.prediction)
        if run is None:
            alone = held.how == "released" or (held.how == "assumed" and held.cost == held.estimate)
            check("bill", alone and not held.prediction, held, "is charged, but nothing ran")
            return
        own = self.follower.admitted[self._owner_of(run)]
        same = (own.tenant, own.key, own.model) == (held.tenant, held.key, held.model)
        check("bill", same or held.tenant == UNATTRIBUTED, held, "was given", run, "of", own)
        stated = held.cost == run.cost and run.ended
        unsaid = not run.stated or held.cost == run.cost or held.tenant == UNATTRIBUTED  # at which nobody looks
        assumed = held.how == "assumed" and held.cost == held.estimate and unsaid
        check("bill", assumed if held.how == "assumed" else stated, held, "is charged for", run)
