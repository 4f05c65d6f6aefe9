-- correct: upstream stated a cost after an assumption had been charged, or of what was released as absent. The end stays as it was; the difference is
-- posted beside it: more to the windows of now, less to the windows of the admission, where they still exist.
--
-- Request: id, cost, scopes (of the reservation's postings), counters: its counters, as reserve takes
--   them, in the windows of now for a higher cost than was assumed, in those of the admission for a lower one.
-- Replies: {'done' | 'no_way' | 'unknown', now, cost, how} · {'window', now, 0, ''}: a window is over, ask again.
--   'no_way': its cost was stated before, or is corrected already; a repeat is one of these and changes nothing.
local at = now()
local r = load(req.id)
if not r then return { 'unknown', at, 0, '' } end
local cost = tonumber(r.cost or '0')
local open = r.how == 'assumed' or r.how == 'released'
if not open or req.cost == cost then return { 'no_way', at, cost, r.how or '' } end
local more = req.cost - cost
for _, c in ipairs(req.counters) do
  if more > 0 and (at < c.start or at >= c.stop) then return { 'window', at, 0, '' } end
end

must_be_recorded()
-- A correction has a number in its scope as a reservation has: a counter that it does not reach, because its limit
-- is newer than the reservation, is behind from here on, and is brought up from the journal before it is used.
local numbers = {}
for _, scope in ipairs(req.scopes) do
  local v = redis.call('HMGET', scope_key(scope), 'n', 'at')
  numbers[scope] = { tonumber(v[1] or '0'), tonumber(v[2] or '0') }
  redis.call('HSET', scope_key(scope), 'n', numbers[scope][1] + 1, 'at', at)
end
for _, c in ipairs(req.counters) do
  local number, last = unpack(numbers[c.scope])
  local sums = read_counter(c)
  local seen = sums[4]
  local complete = seen and tonumber(seen) == number or not seen and last < c.start
  if more > 0 or seen then
    if more > 0 and c.width > 0 then roll(c, sums) end
    post_to(place(c, more > 0 and at or tonumber(r.admitted)), more, 0, 0)
    if complete then redis.call('HSET', c.key, 'x', number + 1) end
    if more > 0 and c.expire_s > 0 then redis.call('EXPIREAT', c.key, c.expire_s) end
  end
end
r.cost, r.how = req.cost, 'late'
keep_ended(req.id, r)
journal(at, 'correct', req.id, more, req.cost, tonumber(r.labels), r.model or '', tonumber(r.admitted))
return { 'done', at, req.cost, 'late' }
