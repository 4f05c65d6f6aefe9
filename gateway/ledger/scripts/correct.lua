-- correct: upstream stated a cost after the end. The end stays as it was; what it should have cost more or less is
-- posted beside it: more to the windows of now, less to the windows of the admission, where they still exist.
--
-- Request: id, cost, scopes (of the reservation's postings), counters: its counters, as reserve takes them, in the
--   windows of now where the end charged less, in those of the admission where it charged more.
-- Replies: {'done' | 'no_way' | 'unknown', now, cost, how} · {'window', now, 0, ''}: a window is over, ask again.
--   'no_way': its cost was stated before, or is corrected already; a repeat is one of these and changes nothing.
local at = now()
local r = load(req.id)
if not r then return { 'unknown', at, 0, '' } end
local cost, ran_after_all = tonumber(r.cost or '0'), r.how == 'released'
local open = r.how == 'assumed' or ran_after_all
if not open or req.cost == cost then return { 'no_way', at, cost, r.how or '' } end
-- Nothing was counted of what was released: it is a prediction again.
local more, predictions = req.cost - cost, ran_after_all and 1 or 0
for _, c in ipairs(req.counters) do
  if more > 0 and (at < c.start or at >= c.stop) then return { 'window', at, 0, '' } end
end

must_be_recorded()
r.cost, r.how = req.cost, 'late'
keep_ended(req.id, r)
local sequence = journal(at, 'correct', req.id, more, req.cost, tonumber(r.labels), r.model or '', tonumber(r.admitted),
  predictions)
-- Counters must have seen a correction as they must have seen a reservation: one that it does not reach, because its
-- limit is newer than the reservation, is behind from here on, and is brought up from the journal before it is used.
local numbers = {} -- scope → {sequence of the last before this, time of the last}
for _, scope in ipairs(req.scopes) do
  local v = redis.call('HMGET', scope_key(scope), 'n', 'at')
  numbers[scope] = { tonumber(v[1] or '0'), tonumber(v[2] or '0') }
  redis.call('HSET', scope_key(scope), 'n', sequence, 'at', at)
end
for _, c in ipairs(req.counters) do
  local number, last = unpack(numbers[c.scope])
  local sums = read_counter(c)
  local seen = sums[4]
  local complete = seen and tonumber(seen) == number or not seen and last < c.start
  if more > 0 or seen then
    if more > 0 and c.width > 0 then roll(c, sums) end
    post_to(place(c, more > 0 and at or tonumber(r.admitted)), more, 0, predictions)
    if complete then redis.call('HSET', c.key, 'x', sequence) end
    if more > 0 and c.expire_s > 0 then redis.call('EXPIREAT', c.key, c.expire_s) end
  end
end
return { 'done', at, req.cost, 'late' }
