-- How a reservation's life ends, in the verbs that end it.
local function free_slots(id, r)
  for _, scope in ipairs(lines(r.scopes or '')) do redis.call('ZREM', slots_key(scope), id) end
  redis.call('ZREM', upstream_slots_key(r.upstream), id)
end

-- Ends a reservation: its hold leaves the counters of its admission and r.cost enters them. What only a live
-- reservation needs is dropped; the rest is kept until it is swept, an idempotent answer for `idem_s`.
local function finish_life(id, r, at, count)
  local cost = r.cost
  for _, line in ipairs(lines(r.counters or '')) do
    if redis.call('EXISTS', string.match(line, '^%S+')) == 1 then -- it may be gone after its time, or not seeded yet
      post_to(line, cost, 0 - tonumber(r.hold), count) -- a plain minus makes -0, no integer
    end
  end
  free_slots(id, r)
  for _, index in ipairs({ ':live', ':due', ':held', ':doubt' }) do redis.call('ZREM', prefix .. index, id) end
  r.ended, r.model = at, own_model(r)
  redis.call('DEL', record_key(id))
  keep_ended(id, r)
  redis.call('RPUSH', ended_list_key(), id)
  if r.idem then redis.call('EXPIRE', r.idem, req.idem_s) end
end
