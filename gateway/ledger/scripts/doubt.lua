-- doubt: the create was sent, or perhaps sent, and its outcome is unknown. The hold and the slot stay.
--
-- Request: id, due_us (when to look for it, from now), reason (a few words for the operator).
-- Replies: {'done' | 'no_way' | 'unknown', now, state}; a repeat answers 'no_way' and changes nothing.
local at = now()
local r = load(req.id)
if not r then return { 'unknown', at, '' } end
local state = NEXT[r.state .. ':doubt']
if not state then return { 'no_way', at, r.state } end

must_be_recorded()
redis.call('HSET', record_key(req.id), 'state', state, 'reason', req.reason, 'polls', 0)
redis.call('ZREM', prefix .. ':held', req.id)
redis.call('ZADD', prefix .. ':doubt', r.admitted, req.id)
redis.call('ZADD', prefix .. ':due', at + req.due_us, req.id)
journal(at, 'doubt', req.id, req.reason)
return { 'done', at, state }
