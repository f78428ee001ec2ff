-- resume: the nodes that were held back are due at once: the caller looks at the instance next.
-- Edges: m
-- Uses: now_ms (now); note (history); HELD, open, reindex (instance)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: none
-- Returns: RESUMED (also if it was not paused) | CLOSED | GONE
local instance, why = open()
if not instance then return { why } end
if instance.paused then
  local now = now_ms()
  redis.call('HDEL', META, 'paused')
  note(now, { event = 'resumed' })
  local held = redis.call('ZRANGEBYSCORE', DUE, HELD, '+inf')
  for i = 1, #held, 1000 do
    local due = {}
    for k = i, math.min(i + 999, #held) do due[#due + 1], due[#due + 2] = now, held[k] end
    redis.call('ZADD', DUE, unpack(due))
  end
  reindex(id)
end
return { 'RESUMED' }
