-- offload: the result of a running node is too large for the store, and is about to be put elsewhere. That is noted
-- first, so that the result is deleted after the instance whether it is ever committed or not.
-- Uses: read (record); keep_aside, STOWED (history); need_schema, open (instance)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: node attempt
-- Returns: OPEN | SUPERSEDED | CLOSED | GONE: a result that would be refused need not be put anywhere
local instance, why = open()
if not instance then return { why } end
local record = read(node)
if not record or record.status ~= 'R' or record.attempt ~= attempt then return { 'SUPERSEDED' } end
redis.call('HSET', ARCHIVE, STOWED, 1)
keep_aside(ARCHIVE)
need_schema(2)
return { 'OPEN' }
