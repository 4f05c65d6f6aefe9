-- The pool: what an account's upstream keys can take. A key is {id, creates a minute, slots}, as the policy has it;
-- send_us is how much later than its admission a create may arrive upstream. A key's log of admissions keeps any 60 s,
-- as upstream sees them, within its rate.
local MINUTE = 60000000
local function service_key() return prefix .. ':service' end -- how long slots were taken of late, on average

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
local function read_pool(at, keys, send_us)
  local pool, most = { free = 0 }, 0
  for i, key in ipairs(keys) do
    pool[i] = key_capacity(at, key, send_us)
    pool.free = pool.free + pool[i].free
    local slots = pool[i].slots - pool[i].taken
    if pool[i].free > 0 and slots > most then pool.chosen, most = pool[i].id, slots end
  end
  return pool
end

-- How long, at a guess, until a create is admitted before which `ahead` others come; exact for the next one where it
-- is rate that lacks, and 0 where nothing is known.
local function expected_wait(at, pool, ahead)
  local nth, least = math.floor(ahead / math.max(#pool, 1)) + 1, nil
  for _, key in ipairs(pool) do
    local wait = math.max(rate_wait(at, key, nth), slot_wait(at, key, nth))
    least = math.min(least or wait, wait)
  end
  return least or 0
end

-- How long until time alone makes room: rate comes back, or a slot frees itself.
local function ready_in(at, pool)
  local least
  for _, key in ipairs(pool) do
    local wait = rate_wait(at, key, 1)
    if key.taken >= key.slots then
      local first = redis.call('ZRANGEBYSCORE', upstream_slots_key(key.id), '(' .. int(at), '+inf', 'WITHSCORES',
        'LIMIT', key.taken - key.slots, 1)
      wait = math.max(wait, tonumber(first[2]) - at)
    end
    least = math.min(least or wait, wait)
  end
  return least or 0
end
