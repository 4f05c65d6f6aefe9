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
local MOST_FACTS = 10000 -- kept once; beyond these, as where prices go by the length of a text, an entry has its own

local function int(n) return string.format('%.0f', n) end

-- The account's time never runs backwards, whatever the store's host does to its clock.
local function now()
  return math.max(store_time(), tonumber(redis.call('GET', prefix .. ':clock') or '0'))
end

-- For how many milliseconds a key must live to be there until `us`: keys expire by the store's own clock, which may
-- have been set back and then runs behind the account's time.
local function lifetime_ms(us) return math.ceil((us - store_time()) / 1000) + 1 end

local function record_key(id) return prefix .. ':r:' .. id end -- of a live reservation
local function list_key(tenant) return prefix .. ':t:' .. tenant end -- its predictions' reservations, oldest first
local function slots_key(scope) return prefix .. ':s:' .. scope end
local function scope_key(scope) return prefix .. ':x:' .. scope end
local function upstream_slots_key(id) return prefix .. ':us:' .. id end
local function upstream_log_key(id) return prefix .. ':ul:' .. id end
local function look_key(prediction) return prefix .. ':look:' .. prediction end
local function runs_key(model) return prefix .. ':runs:' .. model end -- how long it ran, the last first
local function unnamed_key() return prefix .. ':unnamed' end -- ended runs whose executions upstream did not name
local UNNAMED_US = 86400000000 -- for so long
local function back_key(clock) return clock .. '|back' end -- what releases gave back to a rate's clock, in all

local function lines(text)
  local found = {}
  for line in string.gmatch(text, '[^\n]+') do found[#found + 1] = line end
  return found
end

-- Appends to the journal in the same step as the change it tells of; the sequence is dense. An entry is one packed
-- list, {letter of the event, time, id, …}: a stream pays for each field of an entry by itself, and entries are half of
-- the memory that a prediction takes.
local LETTERS = { reserve = 'r', confirm = 'c', doubt = 'd', finish = 'f', settle = 's', release = 'x', correct = 'k',
  close = 'e', reopen = 'o' }
local function journal(at, event, id, ...)
  redis.call('SET', prefix .. ':clock', at)
  local seq = redis.call('INCR', prefix .. ':seq')
  redis.call('XADD', prefix .. ':journal', int(seq) .. '-0', 'e', cmsgpack.pack({ LETTERS[event], at, id, ... }))
  return seq
end

-- A store that is full refuses the first write of a script if it needs memory, and none after it, so as not to stop in
-- the middle. What must be recorded all the same begins with a write that needs none.
local function must_be_recorded() redis.call('DEL', KEYS[2]) end

-- The epoch: under which server the account is open, and since which failover its sequence numbers run. It is open to
-- creates where the epoch names this very server and is not closed. See attend.lua.
local function epoch_key() return prefix .. ':epoch' end
local function epoch()
  local e, flat = {}, redis.call('HGETALL', epoch_key())
  for i = 1, #flat, 2 do e[flat[i]] = flat[i + 1] end
  return e
end

-- The replication id of this server, '' where it tells none. A new one is given at every start, and when a replica
-- becomes primary; second is what the server says of replication.
local function server_id()
  local text = redis.pcall('INFO', 'replication')
  local _, start = string.find(type(text) == 'string' and text or '', 'master_replid:', 1, true)
  return start and string.sub(text, start + 1, start + 40) or '', text
end

-- What many reservations have in common (tenant, key, model, price version, id of the postings) is kept once, under a
-- number that entries and ended records name. A model without a price is a client's word, of which there is no end:
-- it stands in the entry itself, and its labels have ''.
local function label_text(tenant, key, model, price, postings)
  return cmsgpack.pack({ tenant, key, price ~= '' and model or '', price, postings })
end
local function own_model(r) return r.price == '' and r.model or '' end
local function labels_key() return prefix .. ':labels' end -- text → number
local function facts_key() return prefix .. ':facts' end -- what decided prices: text → number
local function label_texts_key() return prefix .. ':labels:n' end -- number → text

-- Ended reservations are kept for a month, and there are many. So they are fields of one hash, where a key of its own
-- with an expiry would cost each some 70 bytes, and `sweep` takes the oldest away. Each is one packed list in this
-- order, since names would take as much again as what they name; '' is what is not there. records.py reads it.
local ENDED = { 'state', 'labels', 'model', 'upstream', 'estimate', 'hold', 'admitted', 'prediction', 'confirmed',
  'finished', 'ended', 'cost', 'how', 'status' }
local NUMBERS = { labels = true, estimate = true, hold = true, admitted = true, cost = true }
-- Times behind the admission's are kept as the time since, in half the bytes; NEVER is one that did not come.
local SINCE, NEVER = { confirmed = true, finished = true, ended = true }, -1
local function ended_key() return prefix .. ':e' end -- id → packed
local function ended_list_key() return prefix .. ':ended' end -- ids in the order in which they ended
local function owners_key() return prefix .. ':p' end -- prediction → id, kept as long as its record

local function keep_ended(id, r)
  local packed = {}
  for i, name in ipairs(ENDED) do
    packed[i] = r[name] or ''
    if NUMBERS[name] then packed[i] = tonumber(r[name]) end
    if SINCE[name] then packed[i] = r[name] and tonumber(r[name]) - tonumber(r.admitted) or NEVER end
  end
  redis.call('HSET', ended_key(), id, cmsgpack.pack(packed))
end

local function load_ended(id)
  local text = redis.call('HGET', ended_key(), id)
  if not text then return nil end
  local r, packed = {}, cmsgpack.unpack(text)
  for i, name in ipairs(ENDED) do
    if packed[i] ~= '' then r[name] = packed[i] end
    if SINCE[name] then r[name] = packed[i] ~= NEVER and r.admitted + packed[i] or nil end
  end
  return r
end

-- Reads a reservation, live or ended; nil where there is none.
local function load(id)
  local flat = redis.call('HGETALL', record_key(id))
  if #flat == 0 then return load_ended(id) end
  local r = {}
  for i = 1, #flat, 2 do r[flat[i]] = flat[i + 1] end
  return r
end
