-- 09 end: a live instance -> CANCELLED or FAILED at once, because somebody wants it, or it can go no further (its
-- definition is gone).
-- Edges: k
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- ARGV: instance_id status error
-- Returns: ENDED | CLOSED | GONE
local instance, why = open()
if not instance then return { why } end
cut(ARGV[1], instance, ARGV[2], now_ms(), ARGV[3])
return { 'ENDED' }
