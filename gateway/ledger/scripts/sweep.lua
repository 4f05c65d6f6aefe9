-- sweep: takes away the oldest ended reservations whose time is over, with what leads to them, and the tickets of
-- workers that are gone, which nobody else drops where no other create waits or comes.
--
-- Request: keep_s (how long an ended reservation is kept), most (how many are taken away at the most).
-- Reply: {'done', now, how many}; fewer than `most`: none is left to take away. A repeat takes away the next.
local at = now()
drop_lapsed(at)
local swept = 0
while swept < req.most do
  local id = redis.call('LINDEX', ended_list_key(), 0)
  local r = id and load_ended(id)
  if not r or r.ended + req.keep_s * 1000000 > at then break end
  local tenant = cmsgpack.unpack(redis.call('HGET', label_texts_key(), r.labels))[1]
  redis.call('LPOP', ended_list_key())
  redis.call('HDEL', ended_key(), id)
  redis.call('LREM', list_key(tenant), 1, id) -- from its oldest end, where it stands
  if r.prediction then redis.call('HDEL', owners_key(), r.prediction) end
  swept = swept + 1
end
return { 'done', at, swept }
