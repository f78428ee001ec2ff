-- 09 read: one consistent picture of an instance. Changes nothing.
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE INDEX
-- ARGV: instance_id
-- Returns: META, NODES and ERRORS as flat lists of field, value
return { redis.call('HGETALL', META), redis.call('HGETALL', NODES), redis.call('HGETALL', ERRORS) }
