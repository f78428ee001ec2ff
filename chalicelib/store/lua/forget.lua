-- forget: a terminal instance -> nothing.
-- Uses: now_ms (now); STOWED (history); open (instance); look_at_ended (ending)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: emptied
--   emptied  1: its large results, which are kept elsewhere, have been deleted
-- Returns: FORGOTTEN | LEFT (forgotten except for large results: the caller looks at the instance next) | LIVE | GONE
local instance, why = open()
if instance then return { 'LIVE' } end
if emptied then redis.call('HDEL', ARCHIVE, STOWED) end
local left = look_at_ended(id, 'GONE', now_ms(), 0)
redis.call('DEL', META, NODES, WAITS, RESULTS, ERRORS, DUE, DONE)
return { (left == 'LEFT' or why == 'GONE') and left or 'FORGOTTEN' }
