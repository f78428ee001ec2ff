-- clear_outbox: a terminal instance owes nothing any more: the call of its webhook has become an instance of its own.
-- Uses: now_ms (now); check (instance); look_at_ended (ending)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: epoch
--   epoch  the one that ended: a rerun may have come first
-- Returns: CLEARED | SUPERSEDED | GONE
local status, current, schema = unpack(redis.call('HMGET', META, 'status', 'epoch', 'schema'))
check(schema)
if not status then return { 'GONE' } end
if tonumber(current or 1) ~= epoch or redis.call('HDEL', META, 'owes') == 0 then return { 'SUPERSEDED' } end
look_at_ended(id, 'CLOSED', now_ms(), 0)
return { 'CLEARED' }
