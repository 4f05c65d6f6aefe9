-- audit: reads counters together with the journal's sequence, so that both belong to the same moment.
--
-- Request: counters: list of {key, scope}.
-- Reply: {'done', now, sequence, {charged, held, predictions, complete (1 or 0)}…}: a counter is complete when it
--   has seen every reservation of its scope.
local at = now()
local found = { 'done', at, tonumber(redis.call('GET', prefix .. ':seq') or '0') }
for _, counter in ipairs(req.counters) do
  local v = redis.call('HMGET', counter[1], 'c', 'h', 'n', 'x')
  local number = redis.call('HGET', scope_key(counter[2]), 'n') or '0'
  found[#found + 1] = {
    tonumber(v[1] or '0'), tonumber(v[2] or '0'), tonumber(v[3] or '0'), v[4] == number and 1 or 0,
  }
end
return found
