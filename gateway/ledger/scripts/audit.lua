-- audit: reads counters together with the journal's sequence, so that both belong to the same moment.
--
-- Request: counters: list of keys.
-- Reply: {'done', now, sequence, {charged, held, predictions, number}…}: the number, in its scope, of the last
--   reservation that the counter has seen.
local at = now()
local found = { 'done', at, tonumber(redis.call('GET', prefix .. ':seq') or '0') }
for _, key in ipairs(req.counters) do
  local v = redis.call('HMGET', key, 'c', 'h', 'n', 'x')
  found[#found + 1] = { tonumber(v[1] or '0'), tonumber(v[2] or '0'), tonumber(v[3] or '0'), tonumber(v[4] or '0') }
end
return found
