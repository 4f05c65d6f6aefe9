-- The queue: creates of an account that wait for an upstream slot, in an order that is fair to its tenants by their
-- weights, and first come, first served inside each. They hold no money: each asks again when it is called, and is
-- decided then. A ticket is its worker's, and is dropped when that one's lease ends. Nothing is left of the queue when
-- nobody waits.
--
-- The order is that of start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996): each tenant has a tag, the lowest
-- is next, and moves on by its stride, a share of weight 1 over its own. Who comes back begins where the others are.
--   :q              tenant → tag of its next create      :q:t:<tenant>  its tickets, by their number of arrival
--   :q:k            ticket → packed {tenant, worker, key of its Idempotency-Key or ''}
--   :q:w            worker → end of its lease
--   :q:n            number (of arrivals so far), v (tag of the last admitted), s|<tenant> (its stride), e|<tenant> (its
--                   tag when it had no more tickets)
-- Whom it calls is published on the channel :q, a ticket a line.
local SHARE = 1000000
local MOST_CALLED = 64
local function queue_key() return prefix .. ':q' end
local function tickets_key() return prefix .. ':q:k' end
local function leases_key() return prefix .. ':q:w' end
local function queue_notes_key() return prefix .. ':q:n' end
local function lane_of_key(tenant) return prefix .. ':q:t:' .. tenant end

local function waiting() return redis.call('HLEN', tickets_key()) end
local function is_queued(id) return redis.call('HEXISTS', tickets_key(), id) == 1 end
local function stride_of(tenant) return tonumber(redis.call('HGET', queue_notes_key(), 's|' .. tenant)) end

-- Where a tenant that has no tickets begins.
local function first_tag(tenant)
  local v = redis.call('HMGET', queue_notes_key(), 'v', 'e|' .. tenant)
  return math.max(tonumber(v[1] or '0'), tonumber(v[2] or '0'))
end

-- Takes a ticket out; one that is admitted uses up a part of its tenant's share.
local function leave_queue(id, admitted)
  local packed = redis.call('HGET', tickets_key(), id)
  if not packed then return end
  local tenant, _, idem = unpack(cmsgpack.unpack(packed))
  redis.call('HDEL', tickets_key(), id)
  redis.call('ZREM', lane_of_key(tenant), id)
  if idem ~= '' then redis.call('DEL', idem) end
  if waiting() == 0 then
    redis.call('DEL', queue_key(), leases_key(), queue_notes_key())
    return
  end
  local tag = tonumber(redis.call('ZSCORE', queue_key(), tenant))
  if admitted then
    local reached = tonumber(redis.call('HGET', queue_notes_key(), 'v') or '0')
    redis.call('HSET', queue_notes_key(), 'v', math.max(reached, tag))
    tag = tag + stride_of(tenant)
    redis.call('ZADD', queue_key(), tag, tenant)
  end
  if redis.call('EXISTS', lane_of_key(tenant)) == 0 then
    redis.call('ZREM', queue_key(), tenant)
    redis.call('HSET', queue_notes_key(), 'e|' .. tenant, tag)
  end
end

-- Drops the tickets of workers that were not heard of for as long as a lease.
local function drop_lapsed(at)
  local workers, lapsed = redis.call('ZRANGEBYSCORE', leases_key(), '-inf', at), {}
  if not workers[1] then return end
  -- First a write that needs memory, so that a full store still refuses the reserve to which this belongs.
  redis.call('HSET', queue_notes_key(), 'dropped', at)
  for _, worker in ipairs(workers) do
    lapsed[worker] = true
    redis.call('ZREM', leases_key(), worker)
  end
  local flat = redis.call('HGETALL', tickets_key())
  for i = 1, #flat, 2 do
    if lapsed[cmsgpack.unpack(flat[i + 1])[2]] then leave_queue(flat[i], false) end
  end
end

-- Gives a create its ticket, or the one that it had (`queue` is reserve's); returns its number, and whether it is new.
local function enter_queue(at, id, tenant, queue, idem)
  redis.call('ZADD', leases_key(), at + queue.lease_us, queue.worker)
  local number = redis.call('ZSCORE', lane_of_key(tenant), id)
  if number then return tonumber(number), false end
  local last = tonumber(redis.call('HGET', queue_notes_key(), 'number') or '0')
  number = queue.number > 0 and queue.number or last + 1
  redis.call('HSET', queue_notes_key(), 'number', math.max(last, number),
    's|' .. tenant, math.max(math.floor(SHARE / queue.weight), 1))
  redis.call('HSET', tickets_key(), id, cmsgpack.pack({ tenant, queue.worker, idem and idem[1] or '' }))
  redis.call('ZADD', lane_of_key(tenant), number, id)
  if not redis.call('ZSCORE', queue_key(), tenant) then
    redis.call('ZADD', queue_key(), first_tag(tenant), tenant)
    redis.call('HDEL', queue_notes_key(), 'e|' .. tenant)
  end
  if idem then redis.call('HSET', idem[1], 'id', id, 'fingerprint', idem[2]) end
  return number, true
end

-- The tickets whose turn it is where `free` creates can be admitted.
local function next_in_queue(free)
  local most, lanes, ids = math.min(free, MOST_CALLED), {}, {}
  local flat = most > 0 and redis.call('ZRANGE', queue_key(), 0, most - 1, 'WITHSCORES') or {}
  for i = 1, #flat, 2 do
    local tenant = flat[i]
    lanes[#lanes + 1] = { tag = tonumber(flat[i + 1]), stride = stride_of(tenant), taken = 0,
      ids = redis.call('ZRANGE', lane_of_key(tenant), 0, most - 1) }
  end
  while #ids < most do
    local best
    for _, lane in ipairs(lanes) do
      if lane.taken < #lane.ids and (not best or lane.tag < best.tag) then best = lane end
    end
    if not best then break end
    best.taken, best.tag = best.taken + 1, best.tag + best.stride
    ids[#ids + 1] = best.ids[best.taken]
  end
  return ids
end

local function call_next(free)
  local ids = next_in_queue(free)
  if #ids > 0 then redis.call('PUBLISH', queue_key(), table.concat(ids, '\n')) end
  return ids
end

-- How many come before the create of a tenant that would be its next to queue.
local function ahead_of_next(tenant, weight)
  local own = redis.call('ZCARD', lane_of_key(tenant))
  local stride = math.max(math.floor(SHARE / weight), 1)
  local tag = tonumber(redis.call('ZSCORE', queue_key(), tenant) or first_tag(tenant)) + own * stride
  local ahead, flat = own, redis.call('ZRANGE', queue_key(), 0, -1, 'WITHSCORES')
  for i = 1, #flat, 2 do
    if flat[i] ~= tenant then
      local before = math.ceil((tag - tonumber(flat[i + 1])) / stride_of(flat[i]))
      ahead = ahead + math.max(math.min(before, redis.call('ZCARD', lane_of_key(flat[i]))), 0)
    end
  end
  return ahead
end
