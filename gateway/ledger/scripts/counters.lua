-- Counters: what was charged (c), held (h) and admitted (n) under a scope, and the journal's sequence of the newest
-- reservation or correction that the counter has seen (x). `counter` is one of reserve's.
--
-- A calendar window has a key of its own. A rolling one (its width is that of a bucket, not 0) has one key for all
-- time: c, h and n are the sums of its buckets from `t` on, and c:<start>, h:<start>, n:<start> are each bucket's own.
-- A start is in seconds. A bucket is taken out of the sums when it leaves the window, before they are used again: at
-- the most (stop - start) / width of them, since no other are in the sums, and each once.
local PARTS = { 'c', 'h', 'n' }
local SECOND = 1000000

local function part(name, bucket) return name .. ':' .. int(bucket) end
local function bucket_at(counter, at) return math.floor(at / counter.width) * counter.width / SECOND end

-- Reads a counter: {charged, held, predictions, x}, and of a rolling one `left`, the fields of buckets that have left.
local function read_counter(counter)
  local v = redis.call('HMGET', counter.key, 'c', 'h', 'n', 'x', 't')
  local sums = { tonumber(v[1] or '0'), tonumber(v[2] or '0'), tonumber(v[3] or '0'), v[4] }
  if counter.width == 0 then return sums end
  local left = {}
  sums.left = left
  if not v[5] then return sums end
  local first, width, from = counter.start / SECOND, counter.width / SECOND, tonumber(v[5])
  for bucket = from, math.min(first, from + (counter.stop - counter.start) / SECOND) - width, width do
    for _, name in ipairs(PARTS) do left[#left + 1] = part(name, bucket) end
  end
  local amounts = #left > 0 and redis.call('HMGET', counter.key, unpack(left)) or {}
  for i, amount in ipairs(amounts) do
    local sum = (i - 1) % #PARTS + 1
    sums[sum] = sums[sum] - tonumber(amount or '0')
  end
  return sums
end

-- Takes out of a rolling counter, as it was read, what has left its window.
local function roll(counter, sums)
  if #sums.left > 0 then redis.call('HDEL', counter.key, unpack(sums.left)) end
  redis.call('HSET', counter.key, 'c', sums[1], 'h', sums[2], 'n', sums[3], 't', counter.start / SECOND)
end

-- Adds to a part of a counter, and of the bucket of a rolling one (nil: it is of a calendar window).
local function post(key, bucket, name, change)
  if change == 0 then return end
  redis.call('HINCRBY', key, name, change)
  if bucket then redis.call('HINCRBY', key, part(name, bucket), change) end
end

-- Sets a counter: its sums, and for a rolling one its buckets (start → sums) from `from` on (else false).
local function set_counter(key, sums, buckets, from)
  redis.call('HSET', key, 'c', sums[1], 'h', sums[2], 'n', sums[3])
  if not from then return end
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.find(name, '^[chn]:') then redis.call('HDEL', key, name) end
  end
  redis.call('HSET', key, 't', from)
  for bucket, parts in pairs(buckets) do
    for i, name in ipairs(PARTS) do redis.call('HSET', key, part(name, bucket), parts[i]) end
  end
end

-- Whether a bucket is in the sums of a rolling counter. Its key may be gone, and with it all that it had.
local function is_counted(key, bucket)
  local from = redis.call('HGET', key, 't')
  return from and bucket >= tonumber(from)
end

-- Where a reservation posts to, as its record has it: a key, and the bucket behind a space.
local function place(counter, at)
  return counter.width == 0 and counter.key or counter.key .. ' ' .. int(bucket_at(counter, at))
end

-- Adds to a place; what has left its window by now is no more.
local function post_to(line, charged, held, predictions)
  local key, bucket = line, nil
  if string.find(line, ' ', 1, true) then
    key, bucket = string.match(line, '^(%S+) (%d+)$')
    bucket = tonumber(bucket)
    if not is_counted(key, bucket) then return end
  end
  post(key, bucket, 'c', charged)
  post(key, bucket, 'h', held)
  post(key, bucket, 'n', predictions)
end

-- Counts a create in a counter as it was read, by its sequence in the journal; gives its place there. What is counted
-- most is a calendar window, whose sums are as they were read and whose end is known since its first.
local function count_in(counter, sums, at, held, sequence)
  local line, expires = place(counter, at), counter.expire_s > 0
  if counter.width == 0 then
    redis.call('HSET', counter.key, 'h', sums[2] + held, 'n', sums[3] + 1, 'x', sequence)
    expires = expires and not sums[4]
  else
    roll(counter, sums)
    post_to(line, 0, held, 1)
    redis.call('HSET', counter.key, 'x', sequence)
  end
  if expires then redis.call('EXPIREAT', counter.key, counter.expire_s) end
  return line
end

-- How long until `enough` of some parts leaves a counter's window; 0 if it never does by itself.
local function leaves_in(counter, at, enough, names)
  if counter.width == 0 then return counter.stop - at end
  local flat, parts, amount = redis.call('HGETALL', counter.key), {}, 0
  for i = 1, #flat, 2 do parts[flat[i]] = flat[i + 1] end
  for start = counter.start, counter.stop - counter.width, counter.width do
    for _, name in ipairs(names) do amount = amount + tonumber(parts[part(name, start / SECOND)] or '0') end
    if amount >= enough then return start + counter.stop - counter.start - at end
  end
  return 0
end

-- Notices that a limit's use has reached thresholds of its policy: each once in a window, marked in the counter,
-- counted, and kept until it was told. `check` is one of reserve's, its alerts {amount, 'limit|share'}, lowest first.
-- Adds the ids of those that are new to `raised`. Windows that roll have no end: a threshold is raised again at the
-- earliest when the length of one has passed.
local function raise_alerts(at, counter, check, used, held, raised)
  for _, alert in ipairs(check[6]) do
    local amount, share = unpack(alert)
    if used + held < amount then return end
    local mark = 'a|' .. share .. '|' .. int(amount)
    local last = redis.call('HGET', counter.key, mark)
    local rolling = counter.width > 0
    local time = rolling and int(at) or ''
    if not last or rolling and at - tonumber(last) >= counter.stop - counter.start then
      local id = redis.sha1hex(counter.key .. '|' .. mark .. '|' .. time)
      redis.call('HSET', counter.key, mark, at)
      redis.call('HINCRBY', prefix .. ':alerts', counter.scope .. '|' .. share, 1)
      redis.call('HSET', prefix .. ':untold', id,
        cmsgpack.pack({ counter.key, check[1], share, check[3], used, held, at, rolling and 0 or counter.stop }))
      redis.call('ZADD', prefix .. ':tell', at, id)
      raised[#raised + 1] = id
    end
  end
end
