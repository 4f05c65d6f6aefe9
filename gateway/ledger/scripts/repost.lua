-- repost: delivers a webhook again that was given up, from the first try on.
--
-- Request: id, seats.
-- Replies: {'done' | 'none', now}: 'none' where it is not among the dead (any more).
local at = now()
if redis.call('ZREM', prefix .. ':dead', req.id) == 0 then return { 'none', at } end
if redis.call('EXISTS', webhook_key(req.id)) == 0 then return { 'none', at } end
redis.call('PERSIST', webhook_key(req.id))
redis.call('HDEL', webhook_key(req.id), 'tries', 'said')
put_into_outbox(req.id, at, at, req.seats)
return { 'done', at }
