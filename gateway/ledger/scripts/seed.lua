-- seed: registers a set of counters, and brings those that are behind their scope to the journal's sum in their
-- current window, so that a limit added at noon knows what the morning spent.
--
-- Request: postings (id), text (line 1: the scopes, separated by spaces; then a line a counter, `scope|window|zone`);
--   counters: list of {key, scope, start, stop, expire_s}.
-- Replies: {'done', now} · {'window', now}: a window is over, ask again. A repeat changes nothing.
local at = now()
local behind, oldest = {}, at + 1 -- a window may begin in this very microsecond
for _, c in ipairs(req.counters) do
  if at < c.start or at >= c.stop then return { 'window', at } end
  local seen = redis.call('HGET', c.key, 'x')
  local number = redis.call('HGET', scope_key(c.scope), 'n') or '0'
  if seen ~= number then
    c.c, c.h, c.n, c.x = 0, 0, 0, number
    behind[#behind + 1] = c
    -- A scope in which nothing was ever reserved has no past to add up.
    if number ~= '0' then oldest = math.min(oldest, c.start) end
  end
end
redis.call('HSET', prefix .. ':postings', req.postings, req.text)

local scopes_of = {} -- postings id → set of scopes
local function under(postings, scope)
  if not scopes_of[postings] then
    local text = redis.call('HGET', prefix .. ':postings', postings) or ''
    scopes_of[postings] = {}
    for s in string.gmatch(string.match(text, '^[^\n]*'), '%S+') do scopes_of[postings][s] = true end
  end
  return scopes_of[postings][scope]
end

-- What was charged and counted: the journal, from its newest entry back to the start of the oldest window.
-- Each event answers: time of the admission, postings, charge, predictions.
local add = {}
function add.reserve(entry_at, d) return entry_at, d[7], 0, 1 end
function add.settle(_, d) return d[8], d[9], d[1], 0 end
function add.release(_, d) return d[7], d[8], 0, -1 end
function add.correct(entry_at, d) return d[1] > 0 and entry_at or d[6], d[7], d[1], 0 end

local function fold(event, entry_at, data)
  if not add[event] then return end
  local admitted, postings, charge, count = add[event](entry_at, cmsgpack.unpack(data))
  for _, c in ipairs(behind) do
    if admitted >= c.start and admitted < c.stop and under(postings, c.scope) then
      c.c, c.n = c.c + charge, c.n + count
    end
  end
end

local from = '+'
while oldest <= at do
  local chunk = redis.call('XREVRANGE', prefix .. ':journal', from, '-', 'COUNT', 500)
  local enough = #chunk < 500
  for _, entry in ipairs(chunk) do
    local f = entry[2] -- e, event, at, time, r, id, d, data
    if tonumber(f[4]) < oldest then enough = true break end
    fold(f[2], tonumber(f[4]), f[8])
    from = '(' .. entry[1]
  end
  if enough then break end
end

-- What is held: the live reservations, which from now on post to these counters too.
for _, id in ipairs(#behind > 0 and redis.call('ZRANGE', prefix .. ':live', 0, -1) or {}) do
  local r = load(id)
  local posts = {}
  for _, key in ipairs(lines(r.counters)) do posts[key] = true end
  for _, c in ipairs(behind) do
    local admitted = tonumber(r.admitted)
    if admitted >= c.start and admitted < c.stop and under(r.postings, c.scope) then
      c.h = c.h + tonumber(r.hold)
      if not posts[c.key] then r.counters = r.counters .. '\n' .. c.key end
    end
  end
  redis.call('HSET', record_key(id), 'counters', r.counters)
end

for _, c in ipairs(behind) do
  redis.call('HSET', c.key, 'c', c.c, 'h', c.h, 'n', c.n, 'x', c.x)
  if c.expire_s > 0 then redis.call('EXPIREAT', c.key, c.expire_s) end
end
return { 'done', at }
