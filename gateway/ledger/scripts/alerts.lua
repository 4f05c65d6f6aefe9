-- alerts: claims alerts that are to be told, and forgets those that were. One that is claimed and not forgotten, since
-- its worker died, is to be told again after a while.
--
-- Request: told (ids), most (how many to claim), again_us (after which time to tell it again), watch_us (how often
--   some worker is to look over every limit: see watch).
-- Reply: {'done', now, watch (1: it is the caller's turn to look), {id, packed}…}; a repeat claims what is left.
local at = now()
if #req.told > 0 then must_be_recorded() end
for _, id in ipairs(req.told) do
  redis.call('ZREM', prefix .. ':tell', id)
  redis.call('HDEL', prefix .. ':untold', id)
end
local turn = at - tonumber(redis.call('GET', prefix .. ':watched') or '0') >= req.watch_us
if turn then redis.call('SET', prefix .. ':watched', at) end
local found = { 'done', at, turn and 1 or 0 }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. ':tell', '-inf', at, 'LIMIT', 0, req.most)) do
  redis.call('ZADD', prefix .. ':tell', at + req.again_us, id)
  found[#found + 1] = { id, redis.call('HGET', prefix .. ':untold', id) }
end
return found
