-- 01 create: (nothing) -> instance PENDING, its roots ready.
-- Edges: a
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- ARGV: instance_id execution_id total params retention_ms taken resend_ms cursor terms, then pairs: root 1
--   taken      1: the caller sends the roots now; 0: somebody else will, at once
--   cursor     -1: these are all the roots; else how many these are, the rest follows by 06 settle of the node -1
--   terms      what the workflow says of its instances, a JSON object: name, tags (text), fail_fast (1), ignores (the nodes
--              that may fail: '*' or ',3,17,'), timeout_ms, webhook (1)
-- Returns: CREATED | EXISTS, created_at in ms. Creating twice is harmless: the second changes nothing.
local id = ARGV[1]
local created = redis.call('HGET', META, 'created_at')
if created then return { 'EXISTS', created } end

local now, cursor = now_ms(), tonumber(ARGV[8])
local instance = {
  status = 'PENDING', total = tonumber(ARGV[3]), running = 0, completed = 0, failed = 0, skipped = 0,
  retention = tonumber(ARGV[5]), ignored = 0, first = 1, calls = 1, unwell = 0,
}
-- What each transition reads and writes comes first: a small hash is a list, and looked through from its beginning.
redis.call('HSET', META, 'status', 'PENDING', 'total', ARGV[3], 'running', 0, 'completed', 0, 'failed', 0, 'skipped', 0,
  'calls', 1, 'messages', 0, 'retention_ms', ARGV[5], 'schema', 1, 'cancelled', 0, 'execution_id', ARGV[2],
  'created_at', now, 'params', ARGV[4])
local terms, fields = cjson.decode(ARGV[9]), {}
for field, value in pairs(terms) do fields[#fields + 1], fields[#fields + 2] = field, value end
if #fields > 0 then redis.call('HSET', META, unpack(fields)) end
unblock(instance, now, ARGV, 10, ARGV[6] == '1', tonumber(ARGV[7]))
if cursor >= 0 then
  redis.call('HSET', NODES, '-1', 'C:0:0:0:0:' .. cursor .. '::::')
  redis.call('ZADD', DUE, now + ARGV[7], '-1')
end
set_time_limit(now, terms.timeout_ms)
save(id, instance, now)
return { 'CREATED', tostring(now) }
