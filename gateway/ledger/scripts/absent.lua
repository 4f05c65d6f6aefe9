-- absent: a complete list of upstream's executions showed no trace of a doubt, or (seen = true) one that may be its.
--
-- Request: id, seen.
-- Replies: {'done' | 'no_way', now, first}: the time of the first of the lists without a trace, since the last with
--   one; 'no_way' where it is no doubt any more.
local at = now()
if redis.call('HGET', record_key(req.id), 'state') ~= 'in_doubt' then return { 'no_way', at, at } end
must_be_recorded()
if req.seen then
  redis.call('HDEL', record_key(req.id), 'absent')
  return { 'done', at, at }
end
redis.call('HSETNX', record_key(req.id), 'absent', at)
return { 'done', at, tonumber(redis.call('HGET', record_key(req.id), 'absent')) }
