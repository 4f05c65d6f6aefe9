-- notice: the body with which a tenant is to be told of an end: upstream's own, or one in its shape. The first stands.
--
-- Request: id, prediction (whose end it is), seats. ARGV[2]: the body.
-- Replies: {'done' | 'known', now, body}: the body that stands; it is sent at once where its prediction is settled.
--   {'none', now, ''}: nobody is to be told, or no more   {'foreign', now, ''}: the reservation has another prediction
local at = now()
local r = load(req.id)
if not r or r.prediction ~= req.prediction then return { 'foreign', at, '' } end
local hook = redis.call('HMGET', webhook_key(req.id), 'lane', 'body')
if not hook[1] then return { 'none', at, '' } end
if hook[2] then return { 'known', at, hook[2] } end
redis.call('HSET', webhook_key(req.id), 'body', ARGV[2])
if redis.call('ZSCORE', prefix .. ':outbox', req.id) and not redis.call('ZSCORE', seats_key(hook[1]), req.id) then
  redis.call('ZADD', lane_key(hook[1]), at, req.id)
  look_at(hook[1], req.seats)
end
return { 'done', at, ARGV[2] }
