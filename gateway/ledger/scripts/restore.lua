-- restore: sets counters to what the journal says, unless the journal has moved on.
--
-- Request: sequence (the one that the sums were made for); counters: list of {key, {charged, held, predictions},
--   buckets (list of {start, {charged, held, predictions}}), where the sums of a rolling one begin (else false)}.
-- Replies: {'done', now} · {'moved', now}: the journal has another sequence by now; nothing was written.
local at = now()
if tonumber(redis.call('GET', prefix .. ':seq') or '0') ~= req.sequence then return { 'moved', at } end
for _, counter in ipairs(req.counters) do
  local key, sums, list, from = unpack(counter)
  local buckets = {}
  for _, bucket in ipairs(list) do buckets[bucket[1]] = bucket[2] end
  set_counter(key, sums, buckets, from)
end
return { 'done', at }
