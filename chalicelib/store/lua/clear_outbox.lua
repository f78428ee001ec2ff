-- clear_outbox: a terminal instance owes nothing any more: its webhook is being called, by an instance of its own.
-- Uses: now_ms (now); check (instance); look_at_ended (ending)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: epoch
--   epoch  that ended: a rerun may have been quicker
-- Returns: CLEARED | SUPERSEDED | GONE
local status, current, schema = unpack(redis.call('HMGET', META, 'status', 'epoch', 'schema'))
check(schema)
if not status then return { 'GONE' } end
if tonumber(current or 1) ~= epoch or redis.call('HDEL', META, 'owes') == 0 then return { 'SUPERSEDED' } end
look_at_ended(id, 'CLOSED', now_ms(), 0)
return { 'CLEARED' }
