-- watch: raises the alerts of limits whose use passed a threshold without a create: by an overrun, a late correction,
-- a lowered limit or the end of a grant. Any worker may run it at any time; a repeat raises nothing.
--
-- Request: counters, checks (both as reserve takes them; only budgets and counts).
-- Reply: {'done', now, {id of an alert that was raised…}}. A counter whose window is over, or that is behind its scope
--   and counts again from the next create on, is left alone.
local at, raised = now(), {}
for _, check in ipairs(req.checks) do
  local counter = req.counters[check[4]]
  local v = redis.call('HMGET', counter.key, 'c', 'h', 'n', 'x')
  local complete = v[4] and v[4] == redis.call('HGET', scope_key(counter.scope), 'n')
  if complete and at >= counter.start and at < counter.stop then
    local charged, held, predictions = tonumber(v[1] or '0'), tonumber(v[2] or '0'), tonumber(v[3] or '0')
    if check[1] == 'count' then charged, held = predictions, 0 end
    notice(at, counter, check, charged, held, raised)
  end
end
return { 'done', at, raised }
