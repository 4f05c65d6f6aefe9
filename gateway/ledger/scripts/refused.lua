-- refused: appends refusals to a log of bounded length. The log is a help to operators, written now and then and as far
-- as it goes; it is no part of the ledger, and nothing is decided by it.
--
-- Request: most (about how many are kept, the oldest go first), lost (how many were dropped on their way here).
--   ARGV[2], ARGV[3], …: a refusal each, as refused.py packs it.
-- Reply: {'done', now}
local at = now()
for i = 2, #ARGV do
  redis.call('XADD', prefix .. ':refused', 'MAXLEN', '~', req.most, '*', 'e', ARGV[i])
end
if req.lost > 0 then redis.call('INCRBY', prefix .. ':refused:lost', req.lost) end
return { 'done', at }
