-- note_latest: a stored workflow has this instance as its newest. One that was deleted stays so: no field of it comes back.
-- KEYS: WORKFLOW
-- Arguments: seconds
--   seconds  for which a workflow is kept after its last use
-- Returns: OPEN | GONE (it was deleted, or its retention is over)
if redis.call('HEXISTS', WORKFLOW, 'document') == 0 then return { 'GONE' } end
redis.call('HSET', WORKFLOW, 'latest', id)
redis.call('EXPIRE', WORKFLOW, seconds)
return { 'OPEN' }
