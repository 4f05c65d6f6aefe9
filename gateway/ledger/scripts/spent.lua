-- spent: reads what the checkpoint has of the spending of some days, all of one moment.
--
-- Request: days (numbers since 1970).
-- Reply: {'done', now, rolled, {flat hash}…}: for each day, labels or 'labels model' → 'predictions charged held 0'.
local found = { 'done', now(), tonumber(redis.call('HGET', checkpoint_key(), 'rolled') or '0') }
for i, day in ipairs(req.days) do found[3 + i] = redis.call('HGETALL', usage_key(day)) end
return found
