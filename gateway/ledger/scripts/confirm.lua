-- confirm: upstream gave the prediction an id, so it runs. Also how a doubt ends well.
--
-- Request: id, prediction, due_us (when to look at it, from now); status: the answer's, 0 for none (ARGV[2]: its
--   body), kept for the Idempotency-Key.
-- Replies: {what, now, state, prediction}
--   'done'      the reservation is running
--   'no_way'    the table has no way from that state; nothing changed (a repeat is one of these)
--   'taken'     the prediction belongs to another reservation; nothing changed
--   'unknown'   no such reservation
local at = now()
local r = load(req.id)
if not r then return { 'unknown', at, '', '' } end
local state = NEXT[r.state .. ':confirm']
if not state then return { 'no_way', at, r.state, r.prediction or '' } end
if redis.call('HEXISTS', owners_key(), req.prediction) == 1 then return { 'taken', at, r.state, '' } end

must_be_recorded()
redis.call('HSET', owners_key(), req.prediction, req.id)
redis.call('HSET', record_key(req.id), 'state', state, 'prediction', req.prediction, 'confirmed', at, 'polls', 0)
redis.call('ZREM', prefix .. ':held', req.id)
redis.call('ZREM', prefix .. ':doubt', req.id)
redis.call('ZADD', prefix .. ':due', at + req.due_us, req.id)
redis.call('RPUSH', list_key(r.tenant), req.id)
if r.idem and req.status > 0 then
  redis.call('HSET', r.idem, 'status', req.status, 'body', ARGV[2])
end
journal(at, 'confirm', req.id, req.prediction)
return { 'done', at, state, req.prediction }
