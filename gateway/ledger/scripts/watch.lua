-- watch: raises the alerts of limits whose use passed a threshold without a create: by an overrun, a late correction,
-- a lowered limit or the end of a grant. Any worker may run it at any time; a repeat raises nothing.
--
-- Request: counters, checks (both as reserve takes them; only budgets and counts).
-- Reply: {'done', now, {id of an alert that was raised…}}. A counter whose window is over, or that is behind its scope
--   and counts again from the next create on, is left alone.
local at, raised = now(), {}
for _, check in ipairs(req.checks) do
  local counter = req.counters[check[4]]
  local sums = read_counter(counter)
  local complete = sums[4] and sums[4] == redis.call('HGET', scope_key(counter.scope), 'n')
  if complete and at >= counter.start and at < counter.stop then
    local count = check[1] == 'count'
    raise_alerts(at, counter, check, count and sums[3] or sums[1], count and 0 or sums[2], raised)
  end
end
return { 'done', at, raised }
