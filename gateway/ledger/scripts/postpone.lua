-- postpone: says when to look again at what still runs.
--
-- Request: dues (a list of {id, due_us from now}).
-- Reply: {'done', now}. What has ended meanwhile is not due any more, and stays so.
local at = now()
for _, due in ipairs(req.dues) do
  redis.call('ZADD', prefix .. ':due', 'XX', at + due[2], due[1])
end
return { 'done', at }
