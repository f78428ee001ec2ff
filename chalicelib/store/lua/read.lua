-- read: one consistent picture of an instance. Changes nothing.
-- Uses: check (instance)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: whole
--   whole  1: with every node; 0: the counters, and the error that failed it, in the same time whatever its size
-- Returns: META (without the params, which may be large), NODES and ERRORS as flat lists of field, value
local fields = { 'status', 'execution_id', 'total', 'running', 'completed', 'failed', 'skipped', 'cancelled',
  'created_at', 'started_at', 'finished_at', 'error', 'paused', 'epoch', 'name', 'tags', 'forgotten', 'calls',
  'messages', 'error_node' }
check(redis.call('HGET', META, 'schema'))
local values, meta = redis.call('HMGET', META, unpack(fields)), {}
for i, value in ipairs(values) do
  if value then meta[#meta + 1], meta[#meta + 2] = fields[i], value end
end
if whole then return { meta, redis.call('HGETALL', NODES), redis.call('HGETALL', ERRORS) } end
local node = values[#fields]
local error = node and redis.call('HGET', ERRORS, node)
return { meta, {}, error and { node, error } or {} }
