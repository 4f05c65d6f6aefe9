-- enact: numbers policies, and says whether the one that a host has read is in force. Reserves carry the number of
-- the policy by which they were priced, and are refused under any other.
--
-- A host asks as long as it runs. What it has read gets the next number where it was itself in force when its folder
-- changed (so one that lags behind never overrules), where it has just started and no host in force has been heard of
-- for a while (so that a start never overrules one that runs), where the host knows a later number than the store
-- (which has then lost it, in a failover), or where an operator says so.
--
-- Request: host; version (names the content that was read); seen (the number by which the host was last in force, 0
--   since its start); operator: true for an operator's word; leaving: true from a host that stops;
--   lease_us (how long a host counts as running after it asked); alone_us (how long none may have been heard of
--   before a start overrules); word_us (how long an operator's word is safe from that).
-- Replies: {'in_force' | 'behind', now, number, version}: number and version of the policy in force. A repeat of
--   what was in force answers the same.
local at = now()
local policy, hosts = prefix .. ':policy', prefix .. ':policy:hosts'
local v = redis.call('HMGET', policy, 'number', 'version', 'alone')
local number, version, alone = tonumber(v[1] or '0'), v[2], tonumber(v[3] or 'nil')
redis.call('ZREMRANGEBYSCORE', hosts, '-inf', at)

if req.leaving then
  redis.call('ZREM', hosts, req.host)
  if redis.call('ZCARD', hosts) == 0 and version == req.version then redis.call('HSET', policy, 'alone', 0) end
  return { 'behind', at, number, version or '' }
end

local function in_force()
  if not req.operator then
    local until_ = tonumber(redis.call('ZSCORE', hosts, req.host) or '0')
    if until_ - at < req.lease_us * 2 / 3 then redis.call('ZADD', hosts, at + req.lease_us, req.host) end
    if alone then redis.call('HDEL', policy, 'alone') end
  end
  return { 'in_force', at, number, req.version }
end

if version == req.version then return in_force() end

local may = not version or req.operator or (req.seen > 0 and req.seen >= number)
if not may and req.seen == 0 and redis.call('ZCARD', hosts) == 0 then
  if not alone then
    alone = at
    redis.call('HSET', policy, 'alone', at)
  end
  may = at - alone >= req.alone_us
end
if not may then return { 'behind', at, number, version } end

number = math.max(number, req.seen) + 1
redis.call('HSET', policy, 'number', number, 'version', req.version)
redis.call('DEL', hosts, prefix .. ':rests') -- what upstream refused may be mended: every key is tried again
if req.operator then redis.call('HSET', policy, 'alone', at + req.word_us) end
return in_force()
