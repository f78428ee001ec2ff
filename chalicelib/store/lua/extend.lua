-- extend: RUNNING -> RUNNING with a later lease end (the heartbeat of the worker that runs it).
-- Edges: d
-- Uses: now_ms (now); read (record); open, reindex (instance)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: node attempt lease_ms
-- Returns: EXTENDED | SUPERSEDED | CLOSED | GONE
local instance, why = open()
if not instance then return { why } end
local record = read(node)
if not record or record.status ~= 'R' or record.attempt ~= attempt then return { 'SUPERSEDED' } end
redis.call('ZADD', DUE, now_ms() + lease_ms, node)
reindex(id)
return { 'EXTENDED' }
