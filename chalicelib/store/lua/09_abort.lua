-- 09 abort: a live instance -> FAILED at once, because it can go no further (its definition is gone).
-- Edges: k
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE INDEX
-- ARGV: instance_id error
-- Returns: ABORTED | CLOSED | GONE. Nodes that were not terminal read as CANCELLED from here on: their records are left
-- as they are, so that this takes the same time for 10 nodes as for 10,000.
local instance, why = open()
if not instance then return { why } end
instance.status = 'FAILED'
local finished = instance.completed + instance.failed + instance.skipped
redis.call('HSET', META, 'status', 'FAILED', 'running', 0, 'cancelled', instance.total - finished,
  'finished_at', now_ms(), 'error', ARGV[2])
close(ARGV[1], instance)
return { 'ABORTED' }
