-- unroll: takes the checkpoint back to nothing, so that it is made anew from a journal that still has every entry. Run
-- with no gateway at work, by `gateway ledger rebuild`.
--
-- Request: sequence (as it is reckoned to be), scopes (every one that a set of postings names).
-- Replies: {'done', now}: a repeat does it again · {'moved', now}: the journal has another sequence by now
--   {'trimmed', now}: the journal lacks entries, so that the checkpoint is all there is of them
local at = now()
if tonumber(redis.call('GET', prefix .. ':seq') or '0') ~= req.sequence then return { 'moved', at } end
if tonumber(redis.call('HGET', checkpoint_key(), 'floor') or '0') > 0 then return { 'trimmed', at } end
for _, scope in ipairs(req.scopes) do redis.call('UNLINK', sum_key(scope)) end
for _, day in ipairs(redis.call('SMEMBERS', prefix .. ':days')) do redis.call('UNLINK', usage_key(tonumber(day))) end
redis.call('UNLINK', prefix .. ':days')
redis.call('HDEL', checkpoint_key(), 'rolled')
return { 'done', at }
