-- The fold: what entries of the journal come to. Shared by the verbs that add them up.
--
-- The checkpoint is the sum of all entries up to `rolled`, so that no script ever has to read more of the journal than
-- what came after. It is kept in
--   :checkpoint     rolled: the sequence up to which the sums are made · floor: the sequence up to which entries were
--                   dropped · floor_at: the time of the last of those · dropped: how many · exported: the sequence up to
--                   which an export was acknowledged
--   :sum:<scope>    cell → 'charged held predictions last'; last is the sequence of the newest entry that a counter of
--                   that time must have seen to be complete
--   :usage:<day>    labels, or 'labels model' → 'predictions charged held 0'; :days has the days
--   :open           reservations that had begun and not ended where entries were dropped: id → state
-- A cell is a span of time: the second (s), minute (m), quarter of an hour (q) or day of UTC (d) that begins at a
-- second, or all time (a). Each amount is in all five cells of the time that it counts for, so that any window, and any
-- bucket of one that rolls, is the sum of few cells. Fine ones are pruned when no window can begin in them any more.
local SPANS = { { 'd', 86400 }, { 'q', 900 }, { 'm', 60 }, { 's', 1 } } -- the longest first
local function checkpoint_key() return prefix .. ':checkpoint' end
local function sum_key(scope) return prefix .. ':sum:' .. scope end
local function usage_key(day) return prefix .. ':usage:' .. int(day) end

local EVENTS = {} -- letter → event
for event, letter in pairs(LETTERS) do EVENTS[letter] = event end

local function cell(letter, second) return letter .. int(second) end

-- What an entry counts for, by its letter. Takes its fields behind the id; gives the time that it counts for, labels,
-- its own model, what it adds to charged, held and predictions, and whether counters must have seen it.
local POSTS = {}
function POSTS.r(at, labels, model, _, hold) return at, labels, model, 0, hold, 1, true end
function POSTS.s(_, cost, _, labels, model, _, hold, admitted) return admitted, labels, model, cost, 0 - hold, 0, false end
function POSTS.x(_, _, labels, model, _, hold, admitted) return admitted, labels, model, 0, 0 - hold, -1, false end
function POSTS.k(at, more, _, labels, model, admitted, predictions)
  return (more > 0 or predictions > 0) and at or admitted, labels, model, more, 0, predictions, true
end

local scopes_by_labels = {}
local function scopes_of(labels)
  if not scopes_by_labels[labels] then
    local postings = cmsgpack.unpack(redis.call('HGET', label_texts_key(), labels))[5]
    local text, scopes = redis.call('HGET', prefix .. ':postings', postings), {}
    for scope in string.gmatch(string.match(text, '^[^\n]*'), '%S+') do scopes[#scopes + 1] = scope end
    scopes_by_labels[labels] = scopes
  end
  return scopes_by_labels[labels]
end

-- Reads up to `most` entries behind a sequence; each {sequence, letter, time, id, …}.
local function entries_after(sequence, most)
  local found = {}
  for i, entry in ipairs(redis.call('XRANGE', prefix .. ':journal', '(' .. int(sequence) .. '-0', '+', 'COUNT', most)) do
    found[i] = { tonumber(string.match(entry[1], '^%d+')), unpack(cmsgpack.unpack(entry[2][2])) }
  end
  return found
end

-- Whether an entry is the next behind a sequence. After a failover that may have lost entries the numbers go on far
-- above them, and the first entry from there on says which was the last that survived.
local function follows(entry, sequence)
  return entry[1] == sequence + 1 or entry[2] == LETTERS.close and entry[5] == sequence
end

local function read_sums(text)
  local c, h, n, last = string.match(text or '0 0 0 0', '^(%S+) (%S+) (%S+) (%S+)$')
  return { tonumber(c), tonumber(h), tonumber(n), tonumber(last) }
end

-- Adds to a list the cells between two seconds, as few as can be; those behind `until_` are still to come, and empty.
local function add_cells(cells, start, stop, until_)
  local t = start
  while t < stop and t <= until_ do
    for _, span in ipairs(SPANS) do
      local letter, length = unpack(span)
      if t % length == 0 and t + length <= stop then
        cells[#cells + 1] = cell(letter, t)
        t = t + length
        break
      end
    end
  end
end

-- Reads what the checkpoint has of a counter between two seconds: a list of {start, {charged, held, predictions,
-- last}}, one for a calendar window, one a bucket for a window that rolls.
local function checkpoint_parts(scope, start, stop, width, at)
  local parts, cells, ends = {}, {}, {}
  for from = start, stop - 1, width > 0 and width or stop - start do
    if start == 0 and width == 0 then
      cells[#cells + 1] = 'a'
    else
      add_cells(cells, from, width > 0 and from + width or stop, at / SECOND)
    end
    parts[#parts + 1], ends[#parts + 1] = { from, { 0, 0, 0, 0 } }, #cells
  end
  local part = 1
  for i, text in ipairs(#cells > 0 and redis.call('HMGET', sum_key(scope), unpack(cells)) or {}) do
    while i > ends[part] do part = part + 1 end
    local sums, more = parts[part][2], read_sums(text)
    for k = 1, 3 do sums[k] = sums[k] + more[k] end
    sums[4] = math.max(sums[4], more[4])
  end
  return parts
end
