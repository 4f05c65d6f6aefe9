-- reserve: decides one create over everything, and holds its money. Checks all, then writes all.
--
-- Request: id; at (the store's time as the worker reckons it); tenant, key, model, price, input (its digest),
--   estimate, hold, facts (what of the input decided the price, for the journal alone);
--   start, stop (the span of time for which counters and checks are right);
--   postings (id of the set of counters), scopes (list);
--   counters: list of {key, scope, start, stop, expire_s (0: never), width (of the buckets of a rolling
--     window; 0: of a calendar one)}, each once;
--   checks: list of {kind, enforced, amount, counter index | clock key | scope, interval, alerts, granted,
--     grants}: alerts is a list of {amount, 'limit|share'} at which a budget or count raises an alert, lowest first;
--     granted is the part of amount that is there by grants for a while, which the text `grants` tells;
--   upstream: list of {id, creates a minute, slots}; send_us (longest time from here to its arrival upstream);
--   slot_us (a slot frees itself after it); stale_us (a `held` that old lost its worker); late_us;
--   policy (number of the one by which it was priced, 0: none);
--   queue: {worker, lease_us, weight, number (of its ticket, 0: it has none), stay, most} of a create that may wait for
--     an upstream slot: whether it does, and how many of its tenant may. nil where the account has no queue;
--   idem: {key, fingerprint} or nil; webhook: the tenant's {url, secret, lane} or nil; dry: answer, but write nothing;
--   replay: {when it was first admitted, its upstream key, its prediction or ''} of a create that was admitted before a
--     failover which lost that: nothing is refused but what cannot be counted. nil otherwise.
-- Replies: {what, now, …}; a check is {violated, used, held, wait_us}
--   'admitted', now, upstream key, {check}…   as they are after this create (dry: before it)
--   'refused',  now, {check}…                 before it; nothing is written. Without a violated check: a sum would
--                                             pass 2^53 - 1
--   'busy',     now, wait_us, {check}…        every limit passes, but no upstream key has a slot and rate free, or
--                                             others wait for them; wait_us: until one may have, 0: not known
--   'queued',   now, number, entered          the same, and it waits: its number, and whether that is new. It holds
--                                             nothing, and is to ask again when it is called, or to be released
--   'late', now    the call took longer than late_us to arrive   'window', now   not within start and stop
--   'closed', now, {check}…   the store may have lost what it acknowledged: see attend.lua
--   'taken', now   a replay whose prediction belongs to another reservation by now
--   'behind', now, number   the policy in force is another one, of that number
--   'unseeded', now   a counter is behind its scope, or the set is new: run seed first
--   'known', now, state, upstream key   this id was reserved before: a repeat changes nothing
--   What became of the first create with this Idempotency-Key: 'mismatch', now   it was another request
--   'answered', now, id, status, body · 'pending', now, id   it is still being sent
--   'doubted', now, id   its outcome is unknown, also where that ended at the horizon without a proof
local at = now()
if at - req.at > req.late_us then return { 'late', at } end
local known = load(req.id)
if known then return { 'known', at, known.state, known.upstream or '' } end

if req.replay and redis.call('HEXISTS', owners_key(), req.replay[3]) == 1 then return { 'taken', at } end
if req.idem and not req.replay then
  local first = redis.call('HMGET', req.idem[1], 'id', 'fingerprint', 'status', 'body')
  if first[1] and first[1] ~= req.id and is_queued(first[1]) and not req.dry then
    drop_lapsed(at)
    first[1] = redis.call('HGET', req.idem[1], 'id')
  end
  if first[1] and first[1] ~= req.id then
    if first[2] ~= req.idem[2] then return { 'mismatch', at } end
    if first[3] then return { 'answered', at, first[1], first[3], first[4] } end
    local state = redis.call('HGET', record_key(first[1]), 'state')
    return { (state == 'held' or is_queued(first[1])) and 'pending' or 'doubted', at, first[1] }
  end
end

local in_force = tonumber(redis.call('HGET', prefix .. ':policy', 'number') or '0')
if in_force ~= req.policy and not req.replay then return { 'behind', at, in_force } end
if at < req.start or at >= req.stop then return { 'window', at } end
local text = label_text(req.tenant, req.key, req.model, req.price, req.postings)
local labels = redis.call('HGET', labels_key(), text)
if not labels and redis.call('HEXISTS', prefix .. ':postings', req.postings) == 0 then return { 'unseeded', at } end

-- A counter is complete when it has seen every reservation of its scope in its window: it carries the journal's
-- sequence of the last one that it saw. A limit that is new, or was away from the policy for a while, is behind.
local numbers = {} -- scope → {sequence of the last, time of the last}
for _, scope in ipairs(req.scopes) do
  local v = redis.call('HMGET', scope_key(scope), 'n', 'at')
  numbers[scope] = { tonumber(v[1] or '0'), tonumber(v[2] or '0') }
end
local counted, overflow = {}, false -- counter index → {charged, held, predictions}
for i, counter in ipairs(req.counters) do
  local sums, number, last = read_counter(counter), unpack(numbers[counter.scope])
  local seen = sums[4]
  if seen and tonumber(seen) ~= number or not seen and last >= counter.start then return { 'unseeded', at } end
  counted[i] = sums
  overflow = overflow or sums[1] + sums[2] + req.hold > MAX
end

-- Each answers: violated, used and held before this create, what it would add to both, how long until it helps
-- to ask again (0: not known).
local rates = {} -- the clocks that this create moves: {key, new value, interval}
local check = {}
-- Whoever is admitted is not told when a rolling window has more room: that takes a look at all its buckets.
local MONEY, NUMBER = { 'c', 'h' }, { 'n' } -- what of a counter leaves
local function wait_of(counter, more, names)
  if more <= 0 and not req.dry and counter.width > 0 then return 0 end
  return leaves_in(counter, at, math.max(more, 1), names)
end
function check.budget(amount, index)
  local charged, held = counted[index][1], counted[index][2]
  local over = charged + held + req.hold - amount
  return over > 0, charged, held, 0, req.hold, wait_of(req.counters[index], over, MONEY)
end
function check.count(amount, index)
  local n = counted[index][3]
  return n + 1 > amount, n, 0, 1, 0, wait_of(req.counters[index], n + 1 - amount, NUMBER)
end
-- GCRA: the clock says when the bucket will be empty again; a create may run ahead of now by the burst.
function check.rate(amount, clock, interval)
  local empty = math.max(tonumber(redis.call('GET', clock) or '0'), at)
  local wait = empty - at - interval * (amount - 1)
  if wait <= 0 then rates[#rates + 1] = { clock, empty + interval, interval } end
  return wait > 0, math.ceil((empty - at) / interval), 0, 1, 0, math.max(wait, 0)
end
function check.concurrency(amount, scope)
  local taken = redis.call('ZCOUNT', slots_key(scope), '(' .. int(at), '+inf')
  return taken + 1 > amount, taken, 0, 1, 0, 0
end

local before, after, refused = {}, {}, overflow
for i, c in ipairs(req.checks) do
  local violated, used, held, more_used, more_held, wait = check[c[1]](c[3], c[4], c[5])
  refused = refused or violated and c[2]
  before[i] = { violated and 1 or 0, used, held, wait }
  after[i] = { violated and 1 or 0, used + more_used, held + more_held, wait }
end
local open = redis.call('HMGET', epoch_key(), 'server', 'closed', 'number')
-- What is told again is for a closed account, but one that was closed under this server: see last_admission of attend.
if open[1] ~= server_id() or open[2] and not req.replay then return { 'closed', at, before } end
-- Leaves the queue, where it is in it; what it had been called for is the next one's.
local function give_up(free)
  if not is_queued(req.id) then return end
  leave_queue(req.id, false)
  call_next(free)
end
if refused and (overflow or not req.replay) then
  give_up(1)
  return { 'refused', at, before }
end

-- Whoever finds nobody waiting and a free slot takes it; the others are in the queue when their turn is decided.
local queue, pool = req.queue, read_pool(at, req.upstream, req.send_us, req.queue)
local chosen, others, ticket, entered = pool.chosen, waiting(), nil, false
if others > 0 and not req.dry then
  drop_lapsed(at)
  others = waiting()
end
if req.replay then
  chosen = req.replay[2]
elseif others > 0 or not chosen then
  if queue and not req.dry then
    local room = redis.call('ZCARD', lane_of_key(req.tenant)) < queue.most
    if is_queued(req.id) or queue.stay and room then
      ticket, entered = enter_queue(at, req.id, req.tenant, queue, req.idem)
    end
  end
  if ticket then
    chosen = nil
    for _, id in ipairs(next_in_queue(pool.free)) do
      if id == req.id then chosen = pool.chosen end
    end
  elseif others >= pool.free then
    chosen = nil
  end
end
if not chosen then
  if ticket and queue.stay then return { 'queued', at, ticket, entered and 1 or 0 } end
  give_up(pool.free)
  local weight = queue and queue.weight or 1
  return { 'busy', at, expected_wait(at, pool, ahead_of_next(req.tenant, weight)), before }
end
if req.dry then return { 'admitted', at, chosen, before } end


if not labels then
  -- Above all that a failover may have lost, since workers remember what a number stands for.
  labels = redis.call('HLEN', labels_key()) + 1 + 1000000 * tonumber(open[3] or '0')
  redis.call('HSET', labels_key(), text, labels)
  redis.call('HSET', label_texts_key(), labels, text)
end
local granted = {} -- what only a grant made room for
for i, c in ipairs(req.checks) do
  if c[2] and c[7] > 0 and after[i][2] + after[i][3] > c[3] - c[7] then granted[#granted + 1] = c[8] end
end
-- What decides a price is mostly one of few: those are kept once, and the entry has the number of its own.
local facts = req.facts
if facts ~= '' then
  local number = tonumber(redis.call('HGET', facts_key(), facts))
  if not number and redis.call('HLEN', facts_key()) < MOST_FACTS then
    number = redis.call('HLEN', facts_key()) + 1
    redis.call('HSET', facts_key(), facts, number)
  end
  if number then facts = '#' .. int(number) end
end
local sequence = journal(at, 'reserve', req.id, tonumber(labels), own_model(req), req.estimate, req.hold, granted, facts)
if ticket then leave_queue(req.id, true) end -- and with it its Idempotency-Key, which is written anew
for _, scope in ipairs(req.scopes) do redis.call('HSET', scope_key(scope), 'n', sequence, 'at', at) end
local counters = {}
for i, counter in ipairs(req.counters) do
  counters[i] = count_in(counter, counted[i], at, req.hold, sequence)
end
for i, c in ipairs(req.checks) do
  if c[6][1] then raise_alerts(at, req.counters[c[4]], c, after[i][2], after[i][3], {}) end
end
local sent = req.replay and req.replay[1] or at -- when its create can have been sent, at the earliest
local given = {}
for i, rate in ipairs(rates) do
  redis.call('SET', rate[1], rate[2], 'PX', lifetime_ms(rate[2]))
  -- Where this create's share of the bucket ends, counted with all that releases gave back before it.
  local back = tonumber(redis.call('GET', back_key(rate[1])) or '0')
  if back > 0 then redis.call('PEXPIRE', back_key(rate[1]), lifetime_ms(rate[2] + back)) end
  given[i] = rate[1] .. ' ' .. int(rate[3]) .. ' ' .. int(rate[2] + back)
end
for _, scope in ipairs(req.scopes) do
  redis.call('ZREMRANGEBYSCORE', slots_key(scope), '-inf', at)
  redis.call('ZADD', slots_key(scope), at + req.slot_us, req.id)
end
redis.call('ZREMRANGEBYSCORE', upstream_slots_key(chosen), '-inf', at)
redis.call('ZADD', upstream_slots_key(chosen), at + req.slot_us, req.id)
redis.call('ZREMRANGEBYSCORE', upstream_log_key(chosen), '-inf', at - 60000000 - req.send_us)
redis.call('ZADD', upstream_log_key(chosen), sent, req.id)
redis.call('EXPIRE', upstream_log_key(chosen), 120)

redis.call('HSET', record_key(req.id), 'state', 'held', 'tenant', req.tenant, 'key', req.key, 'model', req.model,
  'price', req.price, 'input', req.input, 'estimate', req.estimate, 'hold', req.hold, 'upstream', chosen, 'admitted', at,
  'scopes', table.concat(req.scopes, '\n'), 'counters', table.concat(counters, '\n'),
  'rates', table.concat(given, '\n'), 'postings', req.postings, 'labels', labels)
if req.replay then redis.call('HSET', record_key(req.id), 'sent', sent) end
if req.idem then
  redis.call('HSET', record_key(req.id), 'idem', req.idem[1])
  redis.call('HSET', req.idem[1], 'id', req.id, 'fingerprint', req.idem[2])
end
if req.webhook then
  redis.call('HSET', webhook_key(req.id), 'url', req.webhook[1], 'secret', req.webhook[2], 'lane', req.webhook[3])
end
redis.call('ZADD', prefix .. ':live', at, req.id)
redis.call('ZADD', prefix .. ':held', sent, req.id)
redis.call('ZADD', prefix .. ':due', at + req.stale_us, req.id)
if others > 0 then call_next(pool.free - 1) end
return { 'admitted', at, chosen, after }
