-- settle: the prediction ended and its cost is known, or assumed. Ends the reservation, once.
--
-- Request: id, cost, how ('exact', 'metered' or 'assumed'), status (upstream's word), tell (whether this end is one that a tenant
--   is told of), wait_us (how long the webhook waits for upstream's own body), seats, idem_s, run_ms (how long it ran
--   by upstream's word, 0 where that is not told), runs (how many of them are kept of a model).
-- Replies: {'done' | 'no_way' | 'unknown', now, state, cost, how}; a repeat answers 'no_way' with what the first
--   one settled. A cost above the hold is recorded as it is, and told as 'overrun'.
local at = now()
local r = load(req.id)
if not r then return { 'unknown', at, '', 0, '' } end
local state = NEXT[r.state .. ':settle']
-- A cost that upstream states is that of a prediction. Where a failover lost whose it is, that is recorded first: else
-- the prediction would look like nobody's, and be charged once more.
local nobodys = not r.prediction and req.how ~= 'assumed'
if not state or nobodys then return { 'no_way', at, r.state, tonumber(r.cost or '0'), r.how or '' } end

must_be_recorded()
if req.run_ms > 0 and r.price ~= '' then -- of models that have a price, since a client may write any other name
  redis.call('LPUSH', runs_key(r.model), req.run_ms)
  redis.call('LTRIM', runs_key(r.model), 0, req.runs - 1)
end
if req.how == 'metered' and r.prediction == req.id then -- its execution has no other name here
  local id, model = req.id, r.model
  redis.call('ZREMRANGEBYSCORE', unnamed_key(), '-inf', at - UNNAMED_US)
  redis.call('ZADD', unnamed_key(), at, id .. ' ' .. int(req.cost) .. ' ' .. model)
end
r.state, r.cost, r.status, r.finished = state, req.cost, req.status, r.finished or at
r.how = req.cost > tonumber(r.hold) and 'overrun' or req.how
finish_life(req.id, r, at, 0)
journal(at, 'settle', req.id, r.cost, r.how,
  tonumber(r.labels), r.model, tonumber(r.estimate), tonumber(r.hold), tonumber(r.admitted))
if redis.call('EXISTS', webhook_key(req.id)) == 1 then
  if req.tell and r.prediction then
    local here = redis.call('HEXISTS', webhook_key(req.id), 'body') == 1
    put_into_outbox(req.id, at, here and at or at + req.wait_us, req.seats)
  else
    redis.call('DEL', webhook_key(req.id))
  end
end
return { 'done', at, state, r.cost, r.how }
