-- claim: takes the reservations that are due to be looked at, by moving their due time forward. Any worker may
-- claim; whoever does acts, and all actions are idempotent, so there is no leader and none is lost with a worker.
--
-- What runs and is due soon is taken along with what is due, since one list of upstream's tells of all.
--
-- Request: most (how many), ahead_us (how soon), first_us and longest_us (the due time doubles from first to longest with every claim),
--   doubt_us (its longest for a doubt, for which the whole list of executions is read).
-- Reply: {'done', now, {id, flat record}…}
local at = now()
local found = { 'done', at }
local due = redis.call('ZRANGEBYSCORE', prefix .. ':due', '-inf', at, 'LIMIT', 0, req.most)
local ids = due
if #due > 0 and req.ahead_us > 0 then
  ids = redis.call('ZRANGEBYSCORE', prefix .. ':due', '-inf', at + req.ahead_us, 'LIMIT', 0, req.most)
end
for i, id in ipairs(ids) do
  must_be_recorded()
  local state, finished = unpack(redis.call('HMGET', record_key(id), 'state', 'finished'))
  if i > #due and (state ~= 'running' or finished) then
    -- not yet
  elseif state then
    local tries = redis.call('HINCRBY', record_key(id), 'polls', 1)
    local longest = state == 'in_doubt' and req.doubt_us or req.longest_us
    redis.call('ZADD', prefix .. ':due', at + math.min(req.first_us * 2 ^ math.min(tries - 1, 30), longest), id)
    found[#found + 1] = { id, redis.call('HGETALL', record_key(id)) }
  else -- without a record there is nothing to look at, and nothing that it could hold
    redis.call('ZREM', prefix .. ':due', id)
  end
end
return found
