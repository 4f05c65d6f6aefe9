-- roll: brings the checkpoint forward over the next entries of the journal. Any worker may run it at any time; no entry
-- is ever added twice, since sums and position move in one step.
--
-- Request: most (entries in this step).
-- Replies: {'done', now, rolled, sequence}: the checkpoint's position and the journal's end; a repeat rolls what is next
--   {'gap', now, rolled, sequence}: the entry that should be next is not there; nothing is written
local at = now()
local rolled = tonumber(redis.call('HGET', checkpoint_key(), 'rolled') or '0')
local sequence = tonumber(redis.call('GET', prefix .. ':seq') or '0')
local sums, usage = {}, {} -- scope → cell → sums; day → labels → sums

local function add(places, place, name, a, b, c, last)
  places[place] = places[place] or {}
  local s = places[place][name] or { 0, 0, 0, 0 }
  places[place][name] = { s[1] + a, s[2] + b, s[3] + c, math.max(s[4], last) }
end

local function count(seq, letter, entry_at, _, ...)
  if not POSTS[letter] then return end
  local us, labels, model, c, h, n, numbered = POSTS[letter](entry_at, ...)
  local second, last = math.floor(us / 1000000), numbered and seq or 0
  local cells = { 'a' }
  for i, span in ipairs(SPANS) do cells[1 + i] = cell(span[1], second - second % span[2]) end
  for _, scope in ipairs(scopes_of(labels)) do
    for _, name in ipairs(cells) do add(sums, scope, name, c, h, n, last) end
  end
  local name = model == '' and int(labels) or int(labels) .. ' ' .. model
  add(usage, math.floor(second / 86400), name, n, c, h, 0)
end

local entries = entries_after(rolled, req.most)
if #entries == 0 and rolled < sequence then return { 'gap', at, rolled, sequence } end
for _, entry in ipairs(entries) do
  if not follows(entry, rolled) then return { 'gap', at, rolled, sequence } end
  rolled = entry[1]
  count(unpack(entry))
end
if #entries == 0 then return { 'done', at, rolled, sequence } end
must_be_recorded() -- so that a store that is full can be trimmed

local function write(key, found)
  local names, pairs_ = {}, {}
  for name in pairs(found) do names[#names + 1] = name end
  for i, text in ipairs(redis.call('HMGET', key, unpack(names))) do
    local before, more = read_sums(text), found[names[i]]
    local after = { before[1] + more[1], before[2] + more[2], before[3] + more[3], math.max(before[4], more[4]) }
    pairs_[#pairs_ + 1] = names[i]
    pairs_[#pairs_ + 1] = string.format('%.0f %.0f %.0f %.0f', unpack(after))
  end
  redis.call('HSET', key, unpack(pairs_))
end
for scope, found in pairs(sums) do write(sum_key(scope), found) end
for day, found in pairs(usage) do
  write(usage_key(day), found)
  redis.call('SADD', prefix .. ':days', int(day))
end
redis.call('HSET', checkpoint_key(), 'rolled', rolled)
return { 'done', at, rolled, sequence }
