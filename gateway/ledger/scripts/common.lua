-- What the verbs share. Every verb gets
--   KEYS[1]  the account's prefix, `{account}`: all its keys share that hash tag, so a script stays on one node
--   KEYS[2]  a key that never exists, so that a Cluster runs no script on an account of which it has moved a part
--   ARGV[1]  the request, a MessagePack map; times in microseconds, money in units of 1e-8 USD, both integers
-- and `NEXT`, the table of transitions ('state:event' → state) that the worker renders from gateway/domain.
--
-- Numbers are doubles: an integer leaves Lua only as an argument of redis.call, as a reply, through cmsgpack or
-- through int(); `..` and tostring would turn 100000000000001 into 1e+14.
local prefix = KEYS[1]
local req = cmsgpack.unpack(ARGV[1])
local MAX = 9007199254740991 -- 2^53 - 1

local function int(n) return string.format('%.0f', n) end

-- The account's time never runs backwards, whatever the store's host does to its clock.
local function now()
  return math.max(store_time(), tonumber(redis.call('GET', prefix .. ':clock') or '0'))
end

-- For how many milliseconds a key must live to be there until `us`: keys expire by the store's own clock, which may
-- have been set back and then runs behind the account's time.
local function lifetime_ms(us) return math.ceil((us - store_time()) / 1000) + 1 end

local function record_key(id) return prefix .. ':r:' .. id end
local function slots_key(scope) return prefix .. ':s:' .. scope end
local function scope_key(scope) return prefix .. ':x:' .. scope end
local function upstream_slots_key(id) return prefix .. ':us:' .. id end
local function upstream_log_key(id) return prefix .. ':ul:' .. id end
local function look_key(prediction) return prefix .. ':look:' .. prediction end
local function back_key(clock) return clock .. '|back' end -- what releases gave back to a rate's clock, in all

local function lines(text)
  local found = {}
  for line in string.gmatch(text, '[^\n]+') do found[#found + 1] = line end
  return found
end

-- Appends to the journal in the same step as the change it tells of; the sequence is dense.
local function journal(at, event, id, data)
  redis.call('SET', prefix .. ':clock', at)
  local seq = redis.call('INCR', prefix .. ':seq')
  redis.call('XADD', prefix .. ':journal', int(seq) .. '-0',
    'e', event, 'at', at, 'r', id, 'd', cmsgpack.pack(data))
  return seq
end

-- A store that is full refuses the first write of a script if it needs memory, and none after it, so as not to stop in
-- the middle. What must be recorded all the same begins with a write that needs none.
local function must_be_recorded() redis.call('DEL', KEYS[2]) end

-- Reads a reservation; nil where there is none.
local function load(id)
  local flat = redis.call('HGETALL', record_key(id))
  if #flat == 0 then return nil end
  local r = {}
  for i = 1, #flat, 2 do r[flat[i]] = flat[i + 1] end
  return r
end

local function free_slots(id, r)
  for _, scope in ipairs(lines(r.scopes or '')) do redis.call('ZREM', slots_key(scope), id) end
  redis.call('ZREM', upstream_slots_key(r.upstream), id)
end

-- Ends a reservation: its hold leaves the counters of its admission and `cost` enters them. What only a live
-- reservation needs is dropped; the rest is kept for `keep_s` seconds, an idempotent answer for `idem_s`.
local function finish_life(id, r, at, state, how, cost, count)
  for _, counter in ipairs(lines(r.counters or '')) do
    redis.call('HINCRBY', counter, 'h', 0 - tonumber(r.hold)) -- a plain minus makes -0, no integer
    if cost ~= 0 then redis.call('HINCRBY', counter, 'c', cost) end
    if count ~= 0 then redis.call('HINCRBY', counter, 'n', count) end
  end
  free_slots(id, r)
  for _, index in ipairs({ ':live', ':due', ':held', ':doubt' }) do redis.call('ZREM', prefix .. index, id) end
  redis.call('HDEL', record_key(id), 'counters', 'scopes', 'rates', 'polls')
  redis.call('HSET', record_key(id), 'state', state, 'how', how, 'cost', cost, 'ended', at)
  redis.call('EXPIRE', record_key(id), req.keep_s)
  if r.prediction then redis.call('EXPIRE', prefix .. ':p:' .. r.prediction, req.keep_s) end
  if r.idem then redis.call('EXPIRE', r.idem, req.idem_s) end
  redis.call('ZREMRANGEBYSCORE', prefix .. ':t:' .. r.tenant, '-inf', at - req.keep_s * 1000000)
end

-- Notices that a limit's use has reached thresholds of its policy: each once in a window, marked in the counter,
-- counted, and kept until it was told. `check` is one of reserve's, its alerts {amount, 'limit|share'}, lowest first.
-- Adds the ids of those that are new to `raised`.
local function notice(at, counter, check, used, held, raised)
  for _, alert in ipairs(check[6] or {}) do
    local amount, share = unpack(alert)
    if used + held < amount then return end
    local mark = 'a|' .. share .. '|' .. int(amount)
    if redis.call('HSETNX', counter.key, mark, at) == 1 then
      local id = redis.sha1hex(counter.key .. '|' .. mark)
      redis.call('HINCRBY', prefix .. ':alerts', counter.scope .. '|' .. share, 1)
      redis.call('HSET', prefix .. ':untold', id,
        cmsgpack.pack({ counter.key, check[1], share, check[3], used, held, at, counter.stop }))
      redis.call('ZADD', prefix .. ':tell', at, id)
      raised[#raised + 1] = id
    end
  end
end
