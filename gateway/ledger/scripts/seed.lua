-- seed: registers a set of counters, and brings those that are behind their scope to the journal's sum in their current
-- window, so that a limit added at noon knows what the morning spent. In steps of some milliseconds each.
--
-- Request: postings (id), text (line 1: the scopes, separated by spaces; then a line a counter, `scope|window|zone`);
--   counters: as reserve takes them;
--   tail (entries behind the checkpoint that are read), live_from (0, or as it was replied), live_most (live
--   reservations that are looked at).
-- Replies: {'done', now} · {'window', now}: a window is over, ask again. A repeat changes nothing.
--   {'unrolled', now}: the checkpoint is too far behind; run roll until it is not
--   {'more', now, live_from}: more reservations are live than were looked at; go on from there
local at = now()
-- A scope in which nothing was ever reserved has no past to add up, and nothing live: however many predictions others
-- have open, the first create of a tenant looks at none of them.
local behind, new = {}, {}
for _, c in ipairs(req.counters) do
  if at < c.start or at >= c.stop then return { 'window', at } end
  local number = redis.call('HGET', scope_key(c.scope), 'n') or '0'
  if redis.call('HGET', c.key, 'x') ~= number then
    c.sums, c.buckets, c.x = { 0, 0, 0 }, {}, number
    table.insert(number == '0' and new or behind, c)
  end
end
local rolled = tonumber(redis.call('HGET', checkpoint_key(), 'rolled') or '0')
local entries = #behind > 0 and entries_after(rolled, req.tail + 1) or {}
if #entries > req.tail then return { 'unrolled', at } end

-- What is live posts to these counters too, from now on: until they are complete, an end changes them in vain.
local live, from = prefix .. ':live', int(req.live_from)
local most = redis.call('ZCOUNT', live, from, from) + req.live_most -- those of that very microsecond come again
local ids = #behind > 0 and redis.call('ZRANGEBYSCORE', live, from, '+inf', 'LIMIT', 0, most + 1) or {}
for i = 1, math.min(#ids, most) do
  local r = redis.call('HMGET', record_key(ids[i]), 'admitted', 'scopes', 'counters')
  local admitted, scopes, posts = tonumber(r[1]), {}, {}
  for _, scope in ipairs(lines(r[2])) do scopes[scope] = true end
  for _, line in ipairs(lines(r[3])) do posts[line] = true end
  for _, c in ipairs(behind) do
    local line = place(c, admitted)
    if scopes[c.scope] and not posts[line] and admitted >= c.start and admitted < c.stop then
      r[3] = r[3] .. '\n' .. line
      redis.call('HSET', record_key(ids[i]), 'counters', r[3])
    end
  end
end
if #ids > most then return { 'more', at, tonumber(redis.call('ZSCORE', live, ids[most])) } end

local function add_to(c, bucket, more)
  if c.width > 0 then c.buckets[bucket] = c.buckets[bucket] or { 0, 0, 0 } end
  for i = 1, 3 do
    c.sums[i] = c.sums[i] + more[i]
    if c.width > 0 then c.buckets[bucket][i] = c.buckets[bucket][i] + more[i] end
  end
end

-- What was charged, held and counted: the checkpoint, and what the journal has behind it.
for _, c in ipairs(behind) do
  local start, stop, width = c.start / SECOND, c.stop / SECOND, c.width / SECOND
  for _, part in ipairs(checkpoint_parts(c.scope, start, stop, width, at)) do
    local bucket, sums = unpack(part)
    if sums[4] > 0 then add_to(c, bucket, sums) end -- where nothing was reserved there is nothing to add
  end
end
for _, entry in ipairs(entries) do
  local posts = POSTS[entry[2]]
  if posts then
    local us, labels, _, charged, held, predictions = posts(entry[3], unpack(entry, 5))
    for _, scope in ipairs(scopes_of(labels)) do
      for _, c in ipairs(behind) do
        if c.scope == scope and us >= c.start and us < c.stop then
          add_to(c, c.width > 0 and bucket_at(c, us), { charged, held, predictions })
        end
      end
    end
  end
end

redis.call('HSET', prefix .. ':postings', req.postings, req.text)
for _, counters in ipairs({ new, behind }) do
  for _, c in ipairs(counters) do
    set_counter(c.key, c.sums, c.buckets, c.width > 0 and c.start / SECOND)
    redis.call('HSET', c.key, 'x', c.x)
    if c.expire_s > 0 then redis.call('EXPIREAT', c.key, c.expire_s) end
  end
end
return { 'done', at }
