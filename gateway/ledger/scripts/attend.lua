-- attend: a worker says that it is there and how much of the ledger it has seen, and is told whether the account is
-- open to creates. A store that has lost what it acknowledged is found out here, and closes the account.
--
-- It has, if a worker has seen more of the journal than there is, if the ledger is gone or another one, or if its server
-- was a replica when the account was last open (a failover: what had not reached the replica is lost). A server that
-- merely has a new replication id was restarted, or is where a Cluster has moved the account: the account stays open.
--
-- Request: worker; ledger (identity of the ledger that the worker knows, 0: none yet); seen (the highest sequence
--   number that it was told); replayed (number of the epoch up to which it has replayed what it knows); leaving;
--   beat_us (its presence is written down again after so long), lease_us (how long it counts from then on);
--   landed_us (for a worker that would search for what was lost: how long after a failover the last create that was on
--   its way has begun upstream), turn_us (one worker in that time has its turn), watch_us (for so long after an epoch
--   began, and while the account is closed).
-- Reply: {'open' | 'closed', now, ledger, sequence, epoch, survived, why, from, since, turn, {worker…}}. Since the
--   epoch began, at `since`, the sequence numbers are above all that was ever given out before; `survived` is the
--   last entry that was not lost, `from` its time. The workers are those that were there and have not replayed yet.
local EPOCH_NUMBERS = 1000000000
local at = now()
local id, told = server_id()
-- Only a server that became primary keeps the id of the one whose replica it was.
local was_replica = id ~= '' and string.find(string.match(told, 'master_replid2:(%x*)') or '', '[^0]')
local e = epoch()
local seq = tonumber(redis.call('GET', prefix .. ':seq') or '0')
local workers, awaited = prefix .. ':workers', prefix .. ':awaited'

if req.leaving then
  redis.call('ZREM', workers, req.worker)
  redis.call('SREM', awaited, req.worker)
end

-- The time of the last entry that tells of an admission; nil where the journal has none. One that was swept is none: by
-- then nothing is live that could have ended here since, and its own prediction would look like nobody's.
local function last_admission()
  local before = '+'
  while true do
    local found, name = redis.call('XREVRANGE', prefix .. ':journal', before, '-', 'COUNT', 100), nil
    for _, entry in ipairs(found) do
      local fact = cmsgpack.unpack(entry[2][2])
      if fact[1] == LETTERS.reserve then return load(fact[3]) and int(fact[2]) end
      name = entry[1]
    end
    if not name then return nil end
    before = '(' .. name
  end
end

local function close(why)
  local from = e.closed and e.from or last_admission() or redis.call('GET', prefix .. ':clock') or '0'
  local number = math.floor(math.max(seq, req.seen) / EPOCH_NUMBERS) + 1
  redis.call('SET', prefix .. ':seq', number * EPOCH_NUMBERS - 1)
  local last = redis.call('ZREVRANGE', workers, 0, 0, 'WITHSCORES')[2]
  for _, worker in ipairs(last and redis.call('ZRANGEBYSCORE', workers, tonumber(last) - req.lease_us, '+inf') or {}) do
    redis.call('SADD', awaited, worker)
  end
  redis.call('HSET', epoch_key(), 'ledger', e.ledger or req.ledger, 'server', id, 'number', number, 'closed', 1,
    'survived', e.closed and e.survived or seq, 'why', why, 'from', from, 'since', at)
  journal(at, 'close', '', seq, why)
end

local why
if not e.ledger and req.ledger ~= 0 then
  why = 'emptied'
elseif not e.ledger then
  must_be_recorded()
  redis.call('HSET', epoch_key(), 'ledger', at, 'server', id, 'number', 0)
elseif req.ledger ~= 0 and req.ledger ~= tonumber(e.ledger) then
  why = 'replaced'
elseif e.server ~= id and was_replica then
  why = 'failover'
elseif req.seen > seq then
  why = 'rolled back'
elseif e.server ~= id then
  must_be_recorded()
  redis.call('HSET', epoch_key(), 'server', id)
end
if why then
  must_be_recorded()
  close(why)
end
e = epoch()

local beat = tonumber(redis.call('ZSCORE', workers, req.worker) or '0')
if not req.leaving and at - beat >= req.beat_us then
  must_be_recorded()
  redis.call('ZADD', workers, at, req.worker)
  redis.call('ZREMRANGEBYSCORE', workers, '-inf', at - 100 * req.lease_us)
end
local number, turn = tonumber(e.number), 0
if req.replayed == number then
  redis.call('SREM', awaited, req.worker)
  local since = at - tonumber(e.since or '0')
  local watched = e.closed or e.since and since < req.watch_us
  local landed = req.landed_us and (since >= req.landed_us or redis.call('SCARD', awaited) == 0)
  if watched and landed and at - tonumber(e.searched or '0') >= req.turn_us then
    turn = 1
    must_be_recorded()
    redis.call('HSET', epoch_key(), 'searched', at)
  end
end
return { e.closed and 'closed' or 'open', at, tonumber(e.ledger), tonumber(redis.call('GET', prefix .. ':seq') or '0'),
  number, tonumber(e.survived or '0'), e.why or '', tonumber(e.from or '0'), tonumber(e.since or '0'), turn,
  redis.call('SMEMBERS', awaited) }
