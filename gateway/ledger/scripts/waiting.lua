-- waiting: how many creates of each tenant wait for an upstream slot, and how long a next one would. Changes nothing.
--
-- Request: upstream, send_us as reserve's.
-- Replies: {'done', now, {tenant, waiting, ahead, wait_us}…}: ahead and wait_us are those of a create that came now.
local at = now()
local pool, found = read_pool(at, req.upstream, req.send_us, true), { 'done', at }
for _, tenant in ipairs(redis.call('ZRANGE', queue_key(), 0, -1)) do
  local ahead = ahead_of_next(tenant, SHARE / stride_of(tenant))
  found[#found + 1] = { tenant, redis.call('ZCARD', lane_of_key(tenant)), ahead, expected_wait(at, pool, ahead) }
end
return found
