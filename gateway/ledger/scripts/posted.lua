-- posted: how the delivery of a webhook went.
--
-- Request: id, result ('delivered': nothing is kept · 'failed': it is due again · 'dead': it is given up, and kept for
--   keep_s), due_us (when to try again, from now), said (a few words for the operator), seats.
-- Replies: {'done' | 'none', now}: 'none' where it is not in the outbox (any more); a repeat is one of these, or tells
--   the same again.
local at = now()
local lane = redis.call('HGET', webhook_key(req.id), 'lane')
if not lane or not redis.call('ZSCORE', prefix .. ':outbox', req.id) then return { 'none', at } end
must_be_recorded()
if req.result == 'failed' then
  redis.call('HSET', webhook_key(req.id), 'said', req.said)
  redis.call('ZADD', lane_key(lane), at + req.due_us, req.id)
  redis.call('ZREM', seats_key(lane), req.id)
  look_at(lane, req.seats)
  return { 'done', at }
end
take_out_of_outbox(req.id, lane, req.seats)
if req.result == 'delivered' then
  redis.call('DEL', webhook_key(req.id))
else
  redis.call('HSET', webhook_key(req.id), 'said', req.said)
  redis.call('EXPIRE', webhook_key(req.id), req.keep_s)
  redis.call('ZADD', prefix .. ':dead', at, req.id)
  redis.call('ZREMRANGEBYSCORE', prefix .. ':dead', '-inf', at - req.keep_s * 1000000)
end
return { 'done', at }
