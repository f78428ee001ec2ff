-- 13 told: a terminal instance owes nothing any more: its webhook is being called, by an instance of its own.
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- ARGV: instance_id epoch
--   epoch  that ended: a rerun may have been quicker
-- Returns: TOLD | SUPERSEDED | GONE
local status, epoch, schema = unpack(redis.call('HMGET', META, 'status', 'epoch', 'schema'))
check(schema)
if not status then return { 'GONE' } end
if tonumber(epoch or 1) ~= tonumber(ARGV[2]) or redis.call('HDEL', META, 'owes') == 0 then return { 'SUPERSEDED' } end
look_at_ended(ARGV[1], 'CLOSED', now_ms(), 0)
return { 'TOLD' }
