-- create: (nothing) -> instance PENDING, its roots ready.
-- Edges: a
-- Uses: now_ms (now); save (instance); set_time_limit (ending); unblock (unblock)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: execution_id total params retention_ms taken resend_ms cursor terms, then pairs: root 1
--   taken      1: the caller sends the roots now; 0: another process will, at once
--   cursor     -1: these are all the roots; else how many these are, and the rest follows by settle of the node -1
--   terms      what the workflow sets for its instances, a JSON object: name, tags (text), fail_fast (1), ignores (the
--              nodes that may fail: '*' or ',3,17,'), timeout_ms, webhook (1)
-- Returns: CREATED | EXISTS, created_at in ms. Creating twice is harmless: the second changes nothing.
local created = redis.call('HGET', META, 'created_at')
if created then return { 'EXISTS', created } end

local now = now_ms()
local instance = {
  status = 'PENDING', total = total, running = 0, completed = 0, failed = 0, skipped = 0, retention = retention_ms,
  ignored = 0, first = 1, calls = 1, unwell = 0,
}
-- The fields that each transition reads and writes come first: a small hash is a list, searched from its beginning.
redis.call('HSET', META, 'status', 'PENDING', 'total', total, 'running', 0, 'completed', 0, 'failed', 0, 'skipped', 0,
  'calls', 1, 'messages', 0, 'retention_ms', retention_ms, 'schema', 1, 'cancelled', 0, 'execution_id', execution_id,
  'created_at', now, 'params', params)
local fields = {}
for field, value in pairs(terms) do fields[#fields + 1], fields[#fields + 2] = field, value end
if #fields > 0 then redis.call('HSET', META, unpack(fields)) end
unblock(instance, now, ARGV, REST, taken, resend_ms)
if cursor >= 0 then
  redis.call('HSET', NODES, '-1', 'C:0:0:0:0:' .. cursor .. '::::')
  redis.call('ZADD', DUE, now + resend_ms, '-1')
end
set_time_limit(now, terms.timeout_ms)
save(id, instance, now)
return { 'CREATED', tostring(now) }
