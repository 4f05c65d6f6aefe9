-- look: asks for what the workers know of a prediction, or for the right to be the one that asks upstream.
--
-- Request: prediction, every_us (how long a right, and what was seen by it, is good for).
-- Replies: {what, now, age, sighting}
--   'yours'  nobody knows, and from now on nobody else asks
--   'known'  what was seen `age` microseconds ago or later, as a worker told it; empty while it is still asking
local at = now()
local key = look_key(req.prediction)
local seen = redis.call('HMGET', key, 'at', 'sighting')
local age = at - tonumber(seen[1] or '0')
if age < req.every_us then return { 'known', at, age, seen[2] or '' } end
redis.call('HSET', key, 'at', at)
redis.call('HDEL', key, 'sighting')
redis.call('PEXPIRE', key, lifetime_ms(at + req.every_us))
return { 'yours', at, 0, '' }
