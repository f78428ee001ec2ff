-- 01 create: (nothing) -> instance PENDING, its roots ready.
-- Edges: a
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE INDEX
-- ARGV: instance_id execution_id total params retention_ms taken resend_ms cursor, then pairs: root 1
--   taken      1: the caller sends the roots now; 0: somebody else will, at once
--   cursor     -1: these are all the roots; else how many these are, the rest follows by 06 settle of the node -1
-- Returns: CREATED | EXISTS, created_at in ms. Creating twice is harmless: the second changes nothing.
local id = ARGV[1]
local created = redis.call('HGET', META, 'created_at')
if created then return { 'EXISTS', created } end

local now, cursor = now_ms(), tonumber(ARGV[8])
local instance = {
  status = 'PENDING', total = tonumber(ARGV[3]), running = 0, completed = 0, failed = 0, skipped = 0,
  retention = tonumber(ARGV[5]),
}
redis.call('HSET', META, 'schema', 1, 'execution_id', ARGV[2], 'total', ARGV[3], 'params', ARGV[4], 'cancelled', 0,
  'retention_ms', ARGV[5], 'created_at', now)
unblock(instance, now, ARGV, 9, ARGV[6] == '1', tonumber(ARGV[7]))
if cursor >= 0 then
  redis.call('HSET', NODES, '-1', 'C:0:0:0:0:' .. cursor .. '::::')
  redis.call('ZADD', DUE, now + ARGV[7], '-1')
end
save(id, instance, now)
return { 'CREATED', tostring(now) }
