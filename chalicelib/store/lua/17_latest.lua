-- 17 latest: a stored workflow has this instance as its newest. One that was deleted stays so: no field of it comes back.
-- KEYS: WORKFLOW
-- ARGV: instance_id seconds
--   seconds  for which a workflow is kept after its last use
-- Returns: OPEN | GONE (it was deleted, or its retention is over)
if redis.call('HEXISTS', KEYS[1], 'document') == 0 then return { 'GONE' } end
redis.call('HSET', KEYS[1], 'latest', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return { 'OPEN' }
