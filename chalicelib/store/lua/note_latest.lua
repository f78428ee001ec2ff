-- note_latest: this instance becomes the newest one of a stored workflow. A deleted workflow stays deleted: none of its
-- fields comes back.
-- KEYS: WORKFLOW
-- Arguments: seconds
--   seconds  for how long a workflow is kept after its last use
-- Returns: OPEN | GONE (it was deleted, or its retention is over)
if redis.call('HEXISTS', WORKFLOW, 'document') == 0 then return { 'GONE' } end
redis.call('HSET', WORKFLOW, 'latest', id)
redis.call('EXPIRE', WORKFLOW, seconds)
return { 'OPEN' }
