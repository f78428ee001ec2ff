-- fail: a handler failed -> ready again after a delay, or FAILED for good with its descendants SKIPPED. If its failure
-- is ignored, none are skipped: its children are settled instead.
-- Edges: i (retry), g (final), h (descendants), k (all other live nodes, if the instance fails fast)
-- Uses: now_ms (now); read, write (record); note_attempt, in_short (history); open, save (instance); skip (unblock);
--   give_up (lose)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: node attempt error delay_ms look_ms cursor, then descendants
--   delay_ms -1: final; else the next attempt starts after it. look_ms: after which the sweep looks whether it did
--   cursor   -1: these are all its descendants; else how many these are, and the rest follows by settle
-- Returns: RETRY | FAILED | SUPERSEDED | CLOSED | GONE, the instance's status
local instance, why = open()
if not instance then return { why, '' } end
local record = read(node)
if not record or record.status ~= 'R' or record.attempt ~= attempt then
  return { 'SUPERSEDED', instance.status }
end

local now = now_ms()
instance.running = instance.running - 1
record.failures = record.failures + 1
redis.call('HSET', ERRORS, node, error)
note_attempt(now, 'failed', node, record, in_short(error))
local outcome
if delay_ms >= 0 then
  outcome = 'RETRY'
  record.status, record.attempt, record.sends = 'Q', record.attempt + 1, look_ms > delay_ms and 1 or 0
  record.queued, record.started, record.owner = tostring(now), '', ''
  redis.call('ZADD', DUE, now + look_ms, node)
else
  outcome = 'FAILED'
  record.cursor = cursor
  give_up(instance, node, record, now)
  if cursor >= 0 then
    redis.call('ZADD', DUE, now + look_ms, node)
  else
    redis.call('ZREM', DUE, node)
  end
  if record.status == 'F' then skip(instance, now, REST) end
end
write(node, record)
save(id, instance, now)
return { outcome, instance.status }
