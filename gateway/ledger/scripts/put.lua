-- put: has an alert delivered, from now on, to an address that stands in the policy.
--
-- Request: id, url, lane, seats. ARGV[2]: the body.
-- Replies: {'done' | 'known', now}: 'known' where it is in the outbox, or among the dead, already; nothing changes.
local at = now()
if redis.call('EXISTS', webhook_key(req.id)) == 1 then return { 'known', at } end
must_be_recorded()
redis.call('HSET', webhook_key(req.id), 'url', req.url, 'secret', '', 'lane', req.lane, 'body', ARGV[2], 'alert', 1)
put_into_outbox(req.id, at, at, req.seats)
return { 'done', at }
