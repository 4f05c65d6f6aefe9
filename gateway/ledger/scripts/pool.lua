-- The pool: what an account's upstream keys can take. A key is {id, creates a minute, slots}, as the policy has it;
-- send_us is how much later than its admission a create may arrive upstream. A key's log of admissions keeps any 60 s,
-- as upstream sees them, within its rate.
--
-- A key that upstream refuses rests for a while. One that upstream has had enough of (why 'limited') takes nothing until
-- then, unless it is the only one and nobody may wait for it (`patient`): upstream's own word is as quick then. One that
-- it does not accept ('refused', 'unpaid') takes nothing as long as another key of the pool is in service; where none
-- is, all are tried as if nothing were wrong, since a refusal costs nothing and one may be over.
local MINUTE = 60000000
local function rests_key() return prefix .. ':rests' end -- key → packed {why, until, length, times}
local function service_key() return prefix .. ':service' end -- how long slots were taken of late, on average

local function read_rests(at)
  local flat, rests = redis.call('HGETALL', rests_key()), {}
  for i = 1, #flat, 2 do
    local why, until_ = unpack(cmsgpack.unpack(flat[i + 1]))
    if until_ > at then rests[flat[i]] = { why = why, left = until_ - at } end
  end
  return rests
end

-- Lets a key rest: for as long as upstream said, or ever longer where it is refused again soon after it came back.
-- `rest` is {why, wait_us (0: upstream did not say), first_us, longest_us}. What was on its way when it was refused
-- first, and is refused too, is no sign of more.
local function rest_key(at, key, rest)
  local packed, times = redis.call('HGET', rests_key(), key), 1
  local why, until_, length, before = unpack(packed and cmsgpack.unpack(packed) or {})
  local same = packed and why == rest.why
  if same then
    if until_ > at then
      times = before
    elseif at - until_ < math.max(length, MINUTE) then
      times = before + 1
    end
  end
  local wait = rest.wait_us > 0 and rest.wait_us or math.min(rest.first_us * 2 ^ math.min(times - 1, 30), rest.longest_us)
  until_ = same and math.max(until_, at + wait) or at + wait
  redis.call('HSET', rests_key(), key, cmsgpack.pack({ rest.why, until_, wait, times }))
end

local function key_capacity(at, key, send_us)
  local id, per_minute, slots = unpack(key)
  local recent = redis.call('ZCOUNT', upstream_log_key(id), '(' .. int(at - MINUTE - send_us), '+inf')
  local taken = redis.call('ZCOUNT', upstream_slots_key(id), '(' .. int(at), '+inf')
  return { id = id, slots = slots, per_minute = per_minute, recent = recent, taken = taken, send_us = send_us,
    free = math.max(math.min(per_minute - recent, slots - taken), 0) }
end

-- How long until a key has rate for its `nth` next create.
local function rate_wait(at, key, nth)
  local short = nth - math.max(key.per_minute - key.recent, 0) -- so many admissions must be forgotten first
  if short <= 0 then return 0 end
  local span = MINUTE + key.send_us
  local turn = (short - 1) % key.per_minute
  local entry = redis.call('ZRANGEBYSCORE', upstream_log_key(key.id), '(' .. int(at - span), '+inf',
    'WITHSCORES', 'LIMIT', turn + math.max(key.recent - key.per_minute, 0), 1)
  local first = tonumber(entry[2] or int(at))
  return first + span - at + math.floor((short - 1) / key.per_minute) * span
end

-- How long until a key has a slot for its `nth` next create, as slots were taken of late; 0 where nothing is known.
local function slot_wait(at, key, nth)
  local short = nth - math.max(key.slots - key.taken, 0)
  local service = tonumber(redis.call('GET', service_key()) or '0')
  if short <= 0 or service == 0 then return 0 end
  local turn = (short - 1) % key.slots
  local oldest = redis.call('ZRANGE', prefix .. ':live', turn, turn, 'WITHSCORES')
  local left = oldest[2] and tonumber(oldest[2]) + service - at or 0
  if left <= 0 then left = service * (turn + 1) / key.slots end -- it runs longer than others; so on average
  return math.ceil(left + math.floor((short - 1) / key.slots) * service)
end

-- What all keys can take: free (creates at once), chosen (the key with the most free slots, nil where none can).
local function read_pool(at, keys, send_us, patient)
  local pool, most, rests = { free = 0 }, 0, read_rests(at)
  local function out(id) return rests[id] and rests[id].why ~= 'limited' end
  local in_service = false
  for _, key in ipairs(keys) do in_service = in_service or not out(key[1]) end
  for _, key in ipairs(keys) do
    local id = key[1]
    if not (in_service and out(id)) then
      local one = key_capacity(at, key, send_us)
      local limited = rests[id] and not out(id) and (patient or #keys > 1)
      one.rest = limited and rests[id].left or 0
      if one.rest > 0 then one.free = 0 end
      pool[#pool + 1] = one
      pool.free = pool.free + one.free
      local slots = one.slots - one.taken
      if one.free > 0 and slots > most then pool.chosen, most = id, slots end
    end
  end
  return pool
end

-- How long, at a guess, until a create is admitted before which `ahead` others come; exact for the next one where it
-- is rate that lacks, and 0 where nothing is known.
local function expected_wait(at, pool, ahead)
  local nth, least = math.floor(ahead / math.max(#pool, 1)) + 1, nil
  for _, key in ipairs(pool) do
    local wait = math.max(rate_wait(at, key, nth), slot_wait(at, key, nth), key.rest)
    least = math.min(least or wait, wait)
  end
  return least or 0
end

-- How long until time alone makes room: rate comes back, a rest ends, or a slot frees itself.
local function ready_in(at, pool)
  local least
  for _, key in ipairs(pool) do
    local wait = math.max(rate_wait(at, key, 1), key.rest)
    if key.taken >= key.slots then
      local first = redis.call('ZRANGEBYSCORE', upstream_slots_key(key.id), '(' .. int(at), '+inf', 'WITHSCORES',
        'LIMIT', key.taken - key.slots, 1)
      wait = math.max(wait, tonumber(first[2]) - at)
    end
    least = math.min(least or wait, wait)
  end
  return least or 0
end
