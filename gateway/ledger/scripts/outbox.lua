-- The outbox: what tenants are to be told of the ends of their predictions, and operators of alerts. It holds no money
-- and has no journal.
--   :w:<id>        one webhook, from the reserve on: url, secret, lane; body (what is sent), since (when its prediction
--                  was settled), tries, said (why the last one failed), alert (1: the operator's)
--   :outbox        ids that are not delivered, by since
--   :lanes         lanes with something to deliver, by when to look at them; a lane is a scope and an origin
--   :lane:<lane>   its ids by when each is due      :seats:<lane>   ids under delivery, by when that is given up
--   :dead          ids that were given up, by when; :w:<id> is kept for a while, and can be delivered again
local function webhook_key(id) return prefix .. ':w:' .. id end
local function lane_key(lane) return prefix .. ':lane:' .. lane end
local function seats_key(lane) return prefix .. ':seats:' .. lane end

-- Says when to look at a lane: when its first is due, but not before one of its seats is free.
local function look_at(lane, seats)
  local first = redis.call('ZRANGE', lane_key(lane), 0, 0, 'WITHSCORES')
  if not first[2] then
    redis.call('ZREM', prefix .. ':lanes', lane)
    return
  end
  local due = tonumber(first[2])
  if redis.call('ZCARD', seats_key(lane)) >= seats then
    due = math.max(due, tonumber(redis.call('ZRANGE', seats_key(lane), 0, 0, 'WITHSCORES')[2]))
  end
  redis.call('ZADD', prefix .. ':lanes', due, lane)
end

local function put_into_outbox(id, since, due, seats)
  local lane = redis.call('HGET', webhook_key(id), 'lane')
  redis.call('HSET', webhook_key(id), 'since', since)
  redis.call('ZADD', prefix .. ':outbox', since, id)
  redis.call('ZADD', lane_key(lane), due, id)
  look_at(lane, seats)
end

local function take_out_of_outbox(id, lane, seats)
  redis.call('ZREM', prefix .. ':outbox', id)
  redis.call('ZREM', lane_key(lane), id)
  redis.call('ZREM', seats_key(lane), id)
  look_at(lane, seats)
end
