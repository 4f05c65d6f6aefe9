-- seed: registers a set of counters, and brings those that are behind their scope to the journal's sum in their
-- current window, so that a limit added at noon knows what the morning spent.
--
-- Request: postings (id), text (line 1: the scopes, separated by spaces; then a line a counter, `scope|window|zone`);
--   counters: as reserve takes them.
-- Replies: {'done', now} · {'window', now}: a window is over, ask again. A repeat changes nothing.
local at = now()
local behind, oldest = {}, at + 1 -- a window may begin in this very microsecond
for _, c in ipairs(req.counters) do
  if at < c.start or at >= c.stop then return { 'window', at } end
  local seen = redis.call('HGET', c.key, 'x')
  local number = redis.call('HGET', scope_key(c.scope), 'n') or '0'
  if seen ~= number then
    c.sums, c.buckets, c.x = { 0, 0, 0 }, {}, number
    behind[#behind + 1] = c
    -- A scope in which nothing was ever reserved has no past to add up.
    if number ~= '0' then oldest = math.min(oldest, c.start) end
  end
end
redis.call('HSET', prefix .. ':postings', req.postings, req.text)

local postings_of = {} -- number of labels → postings id
local function postings(labels)
  if not postings_of[labels] then
    postings_of[labels] = cmsgpack.unpack(redis.call('HGET', label_texts_key(), labels))[5]
  end
  return postings_of[labels]
end

local scopes_of = {} -- postings id → set of scopes
local function under(postings, scope)
  if not scopes_of[postings] then
    local text = redis.call('HGET', prefix .. ':postings', postings) or ''
    scopes_of[postings] = {}
    for s in string.gmatch(string.match(text, '^[^\n]*'), '%S+') do scopes_of[postings][s] = true end
  end
  return scopes_of[postings][scope]
end

local function add_to(c, admitted, charged, held, predictions)
  local bucket = c.width > 0 and bucket_at(c, admitted)
  if bucket then c.buckets[bucket] = c.buckets[bucket] or { 0, 0, 0 } end
  for i, change in ipairs({ charged, held, predictions }) do
    c.sums[i] = c.sums[i] + change
    if bucket then c.buckets[bucket][i] = c.buckets[bucket][i] + change end
  end
end

-- What was charged and counted: the journal, from its newest entry back to the start of the oldest window.
-- Each event takes the fields behind its id, and answers: time of the admission, labels, charge, predictions.
local add = {} -- by the letter of the event
function add.r(entry_at, labels) return entry_at, labels, 0, 1 end
function add.s(_, cost, _, labels, _, _, _, admitted) return admitted, labels, cost, 0 end
function add.x(_, _, labels, _, _, _, admitted) return admitted, labels, 0, -1 end
function add.k(entry_at, more, _, labels, _, admitted) return more > 0 and entry_at or admitted, labels, more, 0 end

local function fold(event, entry_at, _, ...)
  if not add[event] then return end
  local admitted, labels, charge, count = add[event](entry_at, ...)
  for _, c in ipairs(behind) do
    if admitted >= c.start and admitted < c.stop and under(postings(labels), c.scope) then
      add_to(c, admitted, charge, 0, count)
    end
  end
end

local from = '+'
while oldest <= at do
  local chunk = redis.call('XREVRANGE', prefix .. ':journal', from, '-', 'COUNT', 500)
  local enough = #chunk < 500
  for _, entry in ipairs(chunk) do
    local e = cmsgpack.unpack(entry[2][2])
    if e[2] < oldest then enough = true break end
    fold(unpack(e))
    from = '(' .. entry[1]
  end
  if enough then break end
end

-- What is held: the live reservations, which from now on post to these counters too.
for _, id in ipairs(#behind > 0 and redis.call('ZRANGE', prefix .. ':live', 0, -1) or {}) do
  local r = load(id)
  local posts = {}
  for _, line in ipairs(lines(r.counters)) do posts[line] = true end
  for _, c in ipairs(behind) do
    local admitted = tonumber(r.admitted)
    if admitted >= c.start and admitted < c.stop and under(r.postings, c.scope) then
      add_to(c, admitted, 0, tonumber(r.hold), 0)
      local line = place(c, admitted)
      if not posts[line] then r.counters = r.counters .. '\n' .. line end
    end
  end
  redis.call('HSET', record_key(id), 'counters', r.counters)
end

for _, c in ipairs(behind) do
  set_counter(c.key, c.sums, c.buckets, c.width > 0 and c.start / SECOND)
  redis.call('HSET', c.key, 'x', c.x)
  if c.expire_s > 0 then redis.call('EXPIREAT', c.key, c.expire_s) end
end
return { 'done', at }
