-- finish: the prediction was seen to have ended, but its cost is not known yet. Its slots are free from here on.
--
-- Request: id, status (upstream's word), due_us (when to read the cost again, from now).
-- Replies: {'done' | 'no_way' | 'unknown', now, state, finished}: the time of the first such event; a repeat
--   changes nothing but keeps that time.
local at = now()
local r = load(req.id)
if not r then return { 'unknown', at, '', 0 } end
local state = NEXT[r.state .. ':finish']
if not state then return { 'no_way', at, r.state, tonumber(r.finished or '0') } end
if r.finished then return { 'done', at, state, tonumber(r.finished) } end

must_be_recorded()
free_slots(at, req.id, r)
redis.call('HSET', record_key(req.id), 'finished', at, 'status', req.status)
redis.call('ZADD', prefix .. ':due', at + req.due_us, req.id)
journal(at, 'finish', req.id, req.status)
return { 'done', at, state, at }
