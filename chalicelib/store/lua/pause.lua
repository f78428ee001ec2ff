-- pause: from here on no node of a live instance begins; running nodes go on, and their results are committed.
-- Ready nodes are held back one by one, when a message or the sweep comes to them (edge l).
-- Uses: now_ms (now); note (history); need_schema, open (instance)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: none
-- Returns: PAUSED (also if it was before) | CLOSED | GONE
local instance, why = open()
if not instance then return { why } end
if not instance.paused then
  redis.call('HSET', META, 'paused', 1)
  need_schema(2)
  note(now_ms(), { event = 'paused' })
end
return { 'PAUSED' }
