-- reopen: what a failover lost is in the ledger again, or an operator does without: creates are admitted from here on.
--
-- Request: epoch (its number, so that a later failover is not opened by an earlier one's end), by, reason.
-- Replies: {'done', now} · {'no_way', now}: it is open, or closed for another epoch; nothing changed.
local at = now()
local e = epoch()
if not e.closed or tonumber(e.number) ~= req.epoch then return { 'no_way', at } end
must_be_recorded()
redis.call('HDEL', epoch_key(), 'closed')
redis.call('DEL', prefix .. ':awaited')
journal(at, 'reopen', '', req.by, req.reason)
return { 'done', at }
