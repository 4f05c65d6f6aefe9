-- turn: gives one worker at a time the turn to do what is to be done now and then.
--
-- Request: every_us (how long the turn is nobody else's).
-- Replies: {'yours', now} · {'not_yet', now}
local at = now()
local last = tonumber(redis.call('GET', prefix .. ':turn') or '0')
if at - last < req.every_us then return { 'not_yet', at } end
redis.call('SET', prefix .. ':turn', at)
return { 'yours', at }
