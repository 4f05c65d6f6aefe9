-- trim: drops the oldest entries of the journal. They stay in the checkpoint's sums, which have every entry up to
-- `rolled`; of the reservations that they tell of, those are kept in mind that had not ended where the journal begins
-- from then on. All of a step happens or none of it.
--
-- Request: upto (no entry behind it is dropped: the checkpoint was verified there); exported: true to drop entries of
--   which an export was acknowledged; older_us: to drop entries that are so old, -1 for none; most (entries in this
--   step).
-- Reply: {'done', now, dropped, floor}; fewer than `most`: none is left to drop. A repeat drops the next.
local at = now()
local v = redis.call('HMGET', checkpoint_key(), 'rolled', 'floor', 'exported')
local rolled, floor, exported = tonumber(v[1] or '0'), tonumber(v[2] or '0'), tonumber(v[3] or '0')
local last, states, dropped = nil, {}, 0 -- states: id → its state behind the new floor, false where it has ended
for _, entry in ipairs(entries_after(floor, req.most)) do
  local sequence, letter, entry_at, id = unpack(entry)
  local may = req.exported and sequence <= exported or req.older_us >= 0 and at - entry_at >= req.older_us
  if not may or sequence > math.min(req.upto, rolled) then break end
  if states[id] == nil then states[id] = redis.call('HGET', prefix .. ':open', id) end
  local state, event = states[id] or '', EVENTS[letter]
  states[id] = letter == 'r' and 'held' or NEXT[state .. ':' .. event] or states[id]
  if letter == 's' or letter == 'x' then states[id] = false end
  last, dropped = entry, dropped + 1
end
if not last then return { 'done', at, 0, floor } end

redis.call('XTRIM', prefix .. ':journal', 'MINID', int(last[1] + 1) .. '-0')
for id, state in pairs(states) do
  if state then redis.call('HSET', prefix .. ':open', id, state) else redis.call('HDEL', prefix .. ':open', id) end
end
redis.call('HSET', checkpoint_key(), 'floor', last[1], 'floor_at', last[3])
redis.call('HINCRBY', checkpoint_key(), 'dropped', dropped)
return { 'done', at, dropped, last[1] }
