-- audit: reads counters together with the journal's sequence, so that both belong to the same moment.
--
-- Request: counters: list of keys.
-- Reply: {'done', now, sequence, {charged, held, predictions, number, from, all fields}…}: the number, in its scope, of
--   the last reservation that the counter has seen; of a rolling one, where its sums begin (seconds), and its buckets
--   among its fields.
local at = now()
local found = { 'done', at, tonumber(redis.call('GET', prefix .. ':seq') or '0') }
for _, key in ipairs(req.counters) do
  local row = redis.call('HMGET', key, 'c', 'h', 'n', 'x', 't')
  for i, value in ipairs(row) do row[i] = tonumber(value or '0') end
  row[6] = row[5] > 0 and redis.call('HGETALL', key) or {}
  found[#found + 1] = row
end
return found
