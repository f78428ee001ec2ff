-- 04 extend: RUNNING -> RUNNING with a later lease end (the heartbeat of whoever runs it).
-- Edges: d
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- ARGV: instance_id node attempt lease_ms
-- Returns: EXTENDED | SUPERSEDED | CLOSED | GONE
local id, node = ARGV[1], ARGV[2]
local instance, why = open()
if not instance then return { why } end
local record = read(node)
if not record or record.status ~= 'R' or record.attempt ~= tonumber(ARGV[3]) then return { 'SUPERSEDED' } end
redis.call('ZADD', DUE, now_ms() + ARGV[4], node)
reindex(id)
return { 'EXTENDED' }
