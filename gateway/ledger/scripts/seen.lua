-- seen: tells the other workers what was seen of a prediction, by the right that look gave; or that nothing was, and
-- anybody may ask again.
--
-- Request: prediction, asked_us (the time that look replied). ARGV[2]: the sighting, empty for none.
-- Replies: {'done' | 'no_way', now}; 'no_way' where that right is over, and nothing is changed.
local at = now()
local key = look_key(req.prediction)
if tonumber(redis.call('HGET', key, 'at') or '0') ~= req.asked_us then return { 'no_way', at } end
if ARGV[2] == '' then
  redis.call('DEL', key)
else
  redis.call('HSET', key, 'sighting', ARGV[2])
end
return { 'done', at }
