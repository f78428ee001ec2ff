-- end: a live instance -> CANCELLED or FAILED at once, because a user cancels it, or because it can go no further (its
-- definition is gone).
-- Edges: k
-- Uses: now_ms (now); open (instance); cut (ending)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: status error
-- Returns: ENDED | CLOSED | GONE
local instance, why = open()
if not instance then return { why } end
cut(id, instance, status, now_ms(), error)
return { 'ENDED' }
