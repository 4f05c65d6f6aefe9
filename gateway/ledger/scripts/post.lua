-- post: takes webhooks that are due to be delivered, by moving their due time to when the delivery is given up. Any
-- worker may; never more than `seats` of a lane are under delivery, over all workers, so that a tenant's slow address
-- takes few of a worker's, and a long queue behind it is passed over.
--
-- Request: most (how many), seats, lease_us (how long a delivery may take).
-- Reply: {'done', now, {id, flat webhook}…}
local at = now()
local found = { 'done', at }
for _, lane in ipairs(redis.call('ZRANGEBYSCORE', prefix .. ':lanes', '-inf', at, 'LIMIT', 0, req.most)) do
  must_be_recorded() -- what is delivered makes room
  redis.call('ZREMRANGEBYSCORE', seats_key(lane), '-inf', at)
  local free = math.min(req.seats - redis.call('ZCARD', seats_key(lane)), req.most - #found + 2)
  local due = free > 0 and redis.call('ZRANGEBYSCORE', lane_key(lane), '-inf', at, 'LIMIT', 0, free) or {}
  for _, id in ipairs(due) do
    if redis.call('EXISTS', webhook_key(id)) == 1 then
      redis.call('ZADD', lane_key(lane), at + req.lease_us, id)
      redis.call('ZADD', seats_key(lane), at + req.lease_us, id)
      redis.call('HINCRBY', webhook_key(id), 'tries', 1)
      found[#found + 1] = { id, redis.call('HGETALL', webhook_key(id)) }
    else
      redis.call('ZREM', lane_key(lane), id)
      redis.call('ZREM', prefix .. ':outbox', id)
    end
  end
  look_at(lane, req.seats)
end
return found
