-- absent: a complete list of upstream's executions showed no trace of a doubt.
--
-- Request: id.
-- Replies: {'done' | 'no_way', now, first}: the time of the first such list; 'no_way' where it is no doubt any more.
local at = now()
if redis.call('HGET', record_key(req.id), 'state') ~= 'in_doubt' then return { 'no_way', at, at } end
redis.call('HSETNX', record_key(req.id), 'absent', at)
return { 'done', at, tonumber(redis.call('HGET', record_key(req.id), 'absent')) }
