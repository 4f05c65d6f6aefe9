-- restore: sets counters to what the journal says, unless the journal has moved on.
--
-- Request: sequence (the one that the sums were made for); counters: list of {key, charged, held, predictions}.
-- Replies: {'done', now} · {'moved', now}: the journal has another sequence by now; nothing was written.
local at = now()
if tonumber(redis.call('GET', prefix .. ':seq') or '0') ~= req.sequence then return { 'moved', at } end
for _, counter in ipairs(req.counters) do
  redis.call('HSET', counter[1], 'c', counter[2], 'h', counter[3], 'n', counter[4])
end
return { 'done', at }
