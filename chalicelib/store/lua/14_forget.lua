-- 14 forget: a terminal instance -> nothing.
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- ARGV: instance_id
-- Returns: FORGOTTEN | LIVE | GONE
local id = ARGV[1]
local instance, why = open()
if instance then return { 'LIVE' } end
redis.call('DEL', META, NODES, WAITS, RESULTS, ERRORS, DUE, DONE, HISTORY, ARCHIVE)
look_at_ended(id, 'GONE')
return { why == 'GONE' and why or 'FORGOTTEN' }
