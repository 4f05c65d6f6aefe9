-- release: provably nothing ran. Gives back money, count, slots and the undrained part of the tenant's rates.
--
-- Request: id, sent (whether a byte may have left: then the upstream key's rate is not given back), reason,
--   idem_s, grave_s; rest: {why, wait_us, first_us, longest_us} where the upstream key is to rest: see pool.lua.
-- Replies: {'done' | 'no_way' | 'buried', now, state}; a repeat answers 'no_way'. An id that was never reserved is
--   'buried': a tombstone for grave_s seconds, so that a reserve that arrives late cannot become a phantom hold. So is
--   one that waited in the queue: it leaves it.
local at = now()
local r = load(req.id)
if not r then
  must_be_recorded()
  redis.call('HSET', record_key(req.id), 'state', 'released', 'ended', at)
  redis.call('EXPIRE', record_key(req.id), req.grave_s)
  if is_queued(req.id) then
    leave_queue(req.id, false)
    call_next(1) -- perhaps it was the one that had been called
  end
  return { 'buried', at, 'released' }
end
local state = NEXT[r.state .. ':release']
if not state then return { 'no_way', at, r.state } end

must_be_recorded()
-- A bucket leaks in the order of admission. A create's share ends at `stop` less what was given back since: perhaps
-- later, where that was behind it in the bucket, so that too much is never given back. What was given back is kept
-- until the last share has ended as it was admitted.
for _, line in ipairs(lines(r.rates)) do
  local clock, interval, stop = string.match(line, '^(.*) (%d+) (%d+)$')
  local empty = tonumber(redis.call('GET', clock) or '0')
  local back = tonumber(redis.call('GET', back_key(clock)) or '0')
  local left = math.min(tonumber(interval), tonumber(stop) - back - at)
  if left > 0 then
    if empty - left > at then
      redis.call('SET', clock, empty - left, 'PX', lifetime_ms(empty - left))
    else
      redis.call('DEL', clock)
    end
    redis.call('SET', back_key(clock), back + left, 'PX', lifetime_ms(empty + back))
  end
end
if not req.sent then redis.call('ZREM', upstream_log_key(r.upstream), req.id) end
if req.rest then rest_key(at, r.upstream, req.rest) end
r.state, r.how, r.cost = state, 'released', 0
finish_life(req.id, r, at, -1)
redis.call('DEL', webhook_key(req.id))
-- A released attempt is not remembered: the same Idempotency-Key may try again.
if r.idem then redis.call('DEL', r.idem) end
journal(at, 'release', req.id, req.reason,
  tonumber(r.labels), r.model, tonumber(r.estimate), tonumber(r.hold), tonumber(r.admitted))
return { 'done', at, state }
