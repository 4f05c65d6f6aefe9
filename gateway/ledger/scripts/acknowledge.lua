-- acknowledge: remembers up to where the journal was exported, so that trim may drop it.
--
-- Request: upto (a sequence number).
-- Replies: {'done', now, exported}: the furthest that was ever acknowledged; a repeat changes nothing
--   {'beyond', now, sequence}: the journal has not come so far; nothing is written
local at = now()
local sequence = tonumber(redis.call('GET', prefix .. ':seq') or '0')
if req.upto > sequence then return { 'beyond', at, sequence } end
local exported = tonumber(redis.call('HGET', checkpoint_key(), 'exported') or '0')
if req.upto > exported then
  must_be_recorded() -- so that a store that is full can be trimmed
  redis.call('HSET', checkpoint_key(), 'exported', req.upto)
end
return { 'done', at, math.max(exported, req.upto) }
