-- settle: the prediction ended and its cost is known, or assumed. Ends the reservation, once.
--
-- Request: id, cost, how ('exact' or 'assumed'), status (upstream's word), keep_s, idem_s.
-- Replies: {'done' | 'no_way' | 'unknown', now, state, cost, how}; a repeat answers 'no_way' with what the first
--   one settled. A cost above the hold is recorded as it is, and told as 'overrun'.
local at = now()
local r = load(req.id)
if not r then return { 'unknown', at, '', 0, '' } end
local state = NEXT[r.state .. ':settle']
if not state then return { 'no_way', at, r.state, tonumber(r.cost or '0'), r.how or '' } end

local how = req.how
if req.cost > tonumber(r.hold) then how = 'overrun' end
finish_life(req.id, r, at, state, how, req.cost, 0)
redis.call('HSET', record_key(req.id), 'status', req.status)
if not r.finished then redis.call('HSET', record_key(req.id), 'finished', at) end
journal(at, 'settle', req.id,
  { req.cost, how, r.tenant, r.key, r.model, tonumber(r.hold), tonumber(r.estimate), tonumber(r.admitted), r.postings })
return { 'done', at, state, req.cost, how }
