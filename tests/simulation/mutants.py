"""Mutants: bugs planted into the scripts, each of which some invariant must catch. `make simulate-mutants` prints the
table of what caught which; a mutant that lives is told."""

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from unittest.mock import patch

from redis import Redis

from gateway.ledger.scripts import Script, _script
from gateway.settlement.proof import Proof
from gateway.settlement.unattributed import Unattributed
from simulation.failovers import FailoverWorld
from simulation.server import running_server
from simulation.simulator import World, simulate
from simulation.store import SCRIPTS
from simulation.violation import Violation

SEEDS = range(16)


class Mutant(NamedTuple):
    """A text of some verbs (all, if it is of the shared part) and what stands there instead; or, with no verbs, of
    the module of a `part` that a worker is assembled from."""

    name: str
    verbs: tuple[str, ...]
    old: str
    new: str
    part: type | None = None
    world: type[World] = World


class SlowWorld(World):
    """A world whose buckets leak so slowly that what is released lies below others in them."""

    rates = (2,)


def _of(name: str, verbs: str, old: str, new: str = "") -> Mutant:
    return Mutant(name, tuple(verbs.split()) if verbs else tuple(SCRIPTS), old, new)


MUTANTS = (
    _of("a budget is not checked", "reserve", "return over > 0, charged, held", "return false, charged, held"),
    _of("a budget forgets what is held", "reserve",
        "charged + held + req.hold - amount", "charged + req.hold - amount"),
    _of("a count is one too many", "reserve", "return n + 1 > amount", "return n > amount"),
    _of("concurrency is not checked", "reserve", "return taken + 1 > amount", "return false"),
    _of("a rate is not checked", "reserve", "return wait > 0, math", "return false, math"),
    _of("a rate has no burst", "reserve", "interval * (amount - 1)", "0"),
    _of("an upstream key's rate is not kept", "reserve", "math.min(per_minute - recent, slots - taken)",
        "slots - taken"),
    _of("an upstream key's slots are not kept", "reserve",
        "redis.call('ZCOUNT', upstream_slots_key(id), '(' .. int(at), '+inf')", "0"),
    _of("an upstream key that was refused does not rest", "release",
        "if req.rest then rest_key(at, r.upstream, req.rest) end\n"),
    _of("an upstream key rests no longer than the first time", "release", "times = before + 1", "times = 1"),
    _of("a key that is limited takes creates", "reserve", "if one.rest > 0 then one.free = 0 end\n"),
    _of("a newcomer overtakes who waits", "reserve", "if id == req.id then chosen = pool.chosen end",
        "chosen = pool.chosen"),
    _of("who comes last is first", "reserve call", "ids = redis.call('ZRANGE', lane_of_key(tenant), 0, most - 1) }",
        "ids = redis.call('ZREVRANGE', lane_of_key(tenant), 0, most - 1) }"),
    _of("a tenant that was served stays first", "reserve call", "tag = tag + stride_of(tenant)\n", ""),
    _of("the tickets of a dead worker stay", "reserve call sweep", "if lapsed[cmsgpack.unpack(flat[i + 1])[2]] then",
        "if false then"),
    _of("a window that is over counts", "reserve", "at < req.start or at >= req.stop", "false"),
    _of("the journal does not tell a grant", "reserve", "granted[#granted + 1] = c[8]", ""),
    _of("a grant is told that was not needed", "reserve", "after[i][2] + after[i][3] > c[3] - c[7]", "true"),
    _of("a counter that is behind counts", "reserve", "~= number or", "~= number and false or"),
    _of("a late reserve holds", "reserve", "at - req.at > req.late_us", "false"),
    _of("a tombstone is dropped", "release",
        "redis.call('HSET', record_key(req.id), 'state', 'released', 'ended', at)"),
    _of("a known id is reserved again", "reserve", "if known then", "if false then"),
    _of("an Idempotency-Key is forgotten", "reserve", "if first[1] and first[1] ~= req.id then", "if false then"),
    _of("a released attempt is remembered", "release", "if r.idem then redis.call('DEL', r.idem) end"),
    _of("a refusal writes", "reserve", "  give_up(1)\n  return { 'refused'",
        "  redis.call('HSET', scope_key(req.scopes[1]), 'at', at)\n  return { 'refused'"),
    _of("settle is not idempotent", "settle", "':settle']", "':settle'] or r.state == 'settled' and r.state"),
    _of("a running one is released", "release", "':release']", "':release'] or r.state == 'running' and 'released'"),
    _of("a prediction has two owners", "confirm",
        "redis.call('HEXISTS', owners_key(), req.prediction) == 1", "false"),
    _of("slots are not freed at the end", "settle release", "  free_slots(at, id, r)\n"),
    _of("slots are not freed when seen to end", "finish", "free_slots(at, req.id, r)"),
    _of("the due time stays", "settle release", "':live', ':due', ':held'", "':live', ':held'"),
    _of("the doubt stays in its index", "confirm", "redis.call('ZREM', prefix .. ':doubt', req.id)"),
    _of("a hold stays", "settle",
        "post_to(line, cost, 0 - tonumber(r.hold), count)", "post_to(line, cost, 0, count)"),
    _of("a cost is not counted", "settle", "post_to(line, cost,", "post_to(line, 0,"),
    _of("a release keeps its count", "release", "finish_life(req.id, r, at, -1)", "finish_life(req.id, r, at, 0)"),
    _of("a rate is given back wholly", "release", "math.min(tonumber(interval), tonumber(stop) - back - at)",
        "tonumber(interval)")._replace(world=SlowWorld),
    _of("an upstream key's rate is given back", "release", "if not req.sent then", "if true then"),
    _of("settle writes no journal", "settle", "journal(at, 'settle', req.id,", "local _ = (function() end)("),
    _of("a doubt writes no journal", "doubt", "journal(at, 'doubt', req.id, req.reason)"),
    _of("a correction is made twice", "correct", "if not open or req.cost == cost then", "if false then"),
    _of("a correction is not posted", "correct",
        "post_to(place(c, more > 0 and at or tonumber(r.admitted)), more, 0, predictions)", ""),
    _of("a new limit forgets what is held", "seed", "local bucket, sums = unpack(part)",
        "local bucket, sums = part[1], { part[2][1], 0, part[2][3], part[2][4] }"),
    _of("a new limit forgets the past", "seed", "ipairs(checkpoint_parts(", "ipairs({}, ("),
    _of("a new limit forgets what came last", "seed",
        "add_to(c, c.width > 0 and bucket_at(c, us), { charged, held, predictions })"),
    _of("live holds do not post to a new limit", "seed", "redis.call('HSET', record_key(ids[i]), 'counters', r[3])"),
    _of("the checkpoint adds entries again", "roll", "redis.call('HSET', checkpoint_key(), 'rolled', rolled)"),
    _of("the checkpoint forgets charges", "roll", "model, cost, 0 - hold, 0, false", "model, 0, 0 - hold, 0, false"),
    _of("the checkpoint forgets what was before", "roll", "redis.call('HMGET', key, unpack(names))",
        "redis.call('HMGET', 'none', unpack(names))"),
    _of("a trim drops what the checkpoint has not", "trim", "or sequence > math.min(req.upto, rolled) then", "then"),
    _of("a trim drops what was not exported", "trim", "and sequence <= exported or", "or"),
    _of("a trim drops what is too young", "trim", "at - entry_at >= req.older_us", "true"),
    _of("a trim drops one entry too many", "trim", "int(last[1] + 1)", "int(last[1] + 2)"),
    _of("a trim forgets what is open", "trim", "redis.call('HSET', prefix .. ':open', id, state)"),
    _of("a trim keeps what has ended", "trim", "redis.call('HDEL', prefix .. ':open', id)"),
    _of("an alert is raised at every create", "reserve", "if not last or rolling", "if true or rolling"),
    _of("an alert reckons without what is held", "reserve", "if used + held < amount then", "if used < amount then"),
    _of("a create raises no alert", "reserve",
        "if c[6][1] then", "if false then"),
    _of("an alert is lost with its worker", "alerts", "redis.call('ZADD', prefix .. ':tell', at + req.again_us, id)",
        "redis.call('ZREM', prefix .. ':tell', id)"),
    _of("an alert that was told stays", "alerts", "redis.call('ZREM', prefix .. ':tell', id)\n"),
    _of("a bucket leaves too early", "reserve", "math.min(first, from", "math.min(first + width, from"),
    _of("what has left a rolling window stays in its sum", "reserve",
        "sums[sum] - tonumber(amount or '0')", "sums[sum]"),
    _of("a bucket leaves twice", "reserve", ", 't', counter.start / SECOND)", ")"),
    _of("an end reaches the sum and not its bucket", "settle release",
        "if bucket then redis.call('HINCRBY', key, part(name, bucket), change) end", ""),
    _of("an end whose bucket has left is posted", "settle release", "return from and bucket >= tonumber(from)",
        "return true"),
    _of("a new rolling limit knows sums without buckets", "seed",
        "for i, name in ipairs(PARTS) do redis.call('HSET', key, part(name, bucket), parts[i]) end", ""),
    _of("an end is not told", "settle",
        "put_into_outbox(req.id, at, here and at or at + req.wait_us, req.seats)", ""),
    _of("a webhook is lost with its worker", "post", "redis.call('ZADD', lane_key(lane), at + req.lease_us, id)",
        "redis.call('ZREM', lane_key(lane), id)"),
    _of("a webhook that failed is forgotten", "posted", "if req.result == 'failed' then", "if false then"),
    _of("time runs backwards", "",
        "math.max(store_time(), tonumber(redis.call('GET', prefix .. ':clock') or '0'))", "store_time()"),
    Mutant("a call that names a foreign execution is believed", (), "return record.reservation == reservation.id",
        "return True", Proof),
    Mutant("a failover goes unnoticed", ("attend",), "elseif e.server ~= id and was_replica then",
        "elseif false then", world=FailoverWorld),
    Mutant("a loss is looked for from the last entry on", ("attend",), "last_admission() or ", "",
        world=FailoverWorld),
    Mutant("a closed account admits", ("reserve",), "server_id() or open[2] and not req.replay then",
        "server_id() then", world=FailoverWorld),
    Mutant("what nobody knows after a failover is not charged", (), "if await self._ledger.readmit(lost):",
        "if False:", Unattributed, FailoverWorld),
)  # fmt: skip


def planted(mutant: Mutant) -> Mapping[str, Script]:
    """Give the scripts with a mutant in them."""
    scripts = dict(SCRIPTS)
    for verb in mutant.verbs:
        scripts[verb] = _script(verb, _spoilt(mutant, scripts[verb].text.decode(), verb))
    return scripts


@contextmanager
def assembled(mutant: Mutant) -> Iterator[None]:
    """Have workers that are assembled with a mutant's part."""
    if mutant.part is None:
        yield
        return
    module = sys.modules[mutant.part.__module__]
    space = {"__name__": module.__name__}
    text = _spoilt(mutant, inspect.getsource(module), module.__name__)
    exec(text, space)  # noqa: S102 (our own module, with one text of it replaced)
    name = mutant.part.__name__
    with patch(f"gateway.cli.assembly.{name}", space[name]):
        yield


def _spoilt(mutant: Mutant, text: str, where: str) -> str:
    if mutant.old not in text:
        raise LookupError(f"{mutant.name}: {where} has no {mutant.old!r} any more")
    return text.replace(mutant.old, mutant.new)


def caught_by(mutant: Mutant, redis: "Redis[bytes]", seeds: Iterable[int] = SEEDS) -> tuple[int, str] | None:
    """Run the seeds until one fails; gives it and the name of the invariant, or None for a mutant that lives."""
    scripts = planted(mutant)
    for seed in seeds:
        try:
            with assembled(mutant):
                simulate(seed, redis, scripts, busy_s=250, world=mutant.world)
        except Violation as violation:
            return seed, str(violation).partition(" ")[0]
    return None


def main() -> int:
    alive = 0
    with running_server() as redis:
        for mutant in MUTANTS:
            caught = caught_by(mutant, redis)
            alive += caught is None
            print(f"{mutant.name:45} {'LIVES' if caught is None else f'{caught[1]} (seed {caught[0]})'}", flush=True)
    print(f"{len(MUTANTS) - alive} of {len(MUTANTS)} caught")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
