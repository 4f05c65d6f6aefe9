-- audit: reads counters together with the journal's sequence and the checkpoint, so that all belong to one moment.
--
-- Request: counters: list of {key, scope, start (of a rolling one 0: where its sums begin), length (of the window),
--     width};
--   live: true for the ids of what has not ended, at the end.
-- Reply: {'done', now, sequence, rolled, {charged, held, predictions, x, from, all fields, {start, {charged, held,
--   predictions, last}}…}…}: what each counter says, with the sequence of the newest entry that it has seen; of a
--   rolling one where its sums begin (seconds), and its buckets among its fields. Behind that what the checkpoint says,
--   which has the entries up to `rolled`, of its window or of each of its buckets: see checkpoint_parts.
local at = now()
local sequence = tonumber(redis.call('GET', prefix .. ':seq') or '0')
local found = { 'done', at, sequence, tonumber(redis.call('HGET', checkpoint_key(), 'rolled') or '0') }
for _, counter in ipairs(req.counters) do
  local row = redis.call('HMGET', counter.key, 'c', 'h', 'n', 'x', 't')
  for i, value in ipairs(row) do row[i] = tonumber(value or '0') end
  local rolling = counter.width > 0
  local start = rolling and counter.start == 0 and row[5] or counter.start / SECOND
  row[6] = rolling and redis.call('HGETALL', counter.key) or {}
  row[7] = checkpoint_parts(counter.scope, start, start + counter.length / SECOND, counter.width / SECOND, at)
  found[#found + 1] = row
end
if req.live then found[#found + 1] = redis.call('ZRANGE', prefix .. ':live', 0, -1) end
return found
