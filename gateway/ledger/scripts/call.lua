-- call: a worker whose creates wait says that it is there, and calls those whose turn it is. Called again and again
-- while anybody waits, so that a call that was lost on the way, and room that time alone makes, delay nobody for long.
--
-- Request: worker; lease_us (for how long its tickets are kept from now on); upstream, send_us as reserve's.
-- Replies: {'done', now, ready_us, {ticket}…}: how long until time alone makes room, and whose turn it is. A repeat
--   calls the same again.
local at = now()
if waiting() == 0 then return { 'done', at, 0, {} } end
drop_lapsed(at)
if redis.call('ZSCORE', leases_key(), req.worker) then
  redis.call('ZADD', leases_key(), at + req.lease_us, req.worker)
end
local pool = read_pool(at, req.upstream, req.send_us, true)
return { 'done', at, pool.free > 0 and 0 or ready_in(at, pool), call_next(pool.free) }
