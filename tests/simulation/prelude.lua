-- The simulator's clock.lua: the scripts' time is a key, expiry follows that time, and writes are counted.
local real = redis
local function store_time() return tonumber(real.call('GET', 'sim:now')) end

local WRITES = { SET = 1, DEL = 1, INCR = 1, XADD = 1, HSET = 1, HDEL = 1, HSETNX = 1, RPUSH = 1, LPOP = 1, LREM = 1,
  SADD = 1, SREM = 1, XTRIM = 1, HINCRBY = 1, ZADD = 1, ZREM = 1,
  ZREMRANGEBYSCORE = 1, EXPIRE = 1, PEXPIRE = 1, EXPIREAT = 1 }

local function expire_at(key, us)
  if real.call('EXISTS', key) == 1 then real.call('ZADD', 'sim:expiry', string.format('%.0f', us), key) end
  return 1
end

local redis = {}
redis.sha1hex = real.sha1hex
function redis.pcall(name, ...)
  return name == 'INFO' and real.call('GET', 'sim:replication') or real.pcall(name, ...)
end
function redis.call(name, ...)
  local a = { ... }
  if name == 'EXPIRE' or name == 'PEXPIRE' or name == 'EXPIREAT' then
    real.call('INCR', 'sim:writes')
    if name == 'EXPIRE' then return expire_at(a[1], store_time() + a[2] * 1000000) end
    if name == 'PEXPIRE' then return expire_at(a[1], store_time() + a[2] * 1000) end
    return expire_at(a[1], a[2] * 1000000)
  end
  if name == 'SET' and a[3] == 'PX' then
    real.call('INCR', 'sim:writes')
    real.call('SET', a[1], a[2])
    return expire_at(a[1], store_time() + a[4] * 1000)
  end
  local reply = real.call(name, ...)
  local wrote = WRITES[name] and reply and not (name == 'HSETNX' and reply == 0)
  if wrote then real.call('INCR', 'sim:writes') end
  if reply and (name == 'SET' or name == 'DEL') then real.call('ZREM', 'sim:expiry', a[1]) end
  return reply
end
