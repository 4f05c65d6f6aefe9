-- How a reservation's life ends, in the verbs that end it.

-- Of what ran, notes how long it took its slot: a moving average, to which each adds an eighth.
local function note_service(at, r)
  local took = at - tonumber(r.admitted)
  local service = tonumber(redis.call('GET', service_key()) or took)
  redis.call('SET', service_key(), math.floor(service + (took - service) / 8))
end

local function free_slots(at, id, r)
  for _, scope in ipairs(lines(r.scopes or '')) do redis.call('ZREM', slots_key(scope), id) end
  local until_ = tonumber(redis.call('ZSCORE', upstream_slots_key(r.upstream), id) or '0')
  redis.call('ZREM', upstream_slots_key(r.upstream), id)
  if until_ <= at then return end -- it was free before
  if r.how ~= 'released' then note_service(at, r) end
  call_next(1)
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
  free_slots(at, id, r)
  for _, index in ipairs({ ':live', ':due', ':held', ':doubt' }) do redis.call('ZREM', prefix .. index, id) end
  r.ended, r.model = at, own_model(r)
  redis.call('DEL', record_key(id))
  keep_ended(id, r)
  redis.call('RPUSH', ended_list_key(), id)
  if r.idem then redis.call('EXPIRE', r.idem, req.idem_s) end
end
