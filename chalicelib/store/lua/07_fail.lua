-- 07 fail: a handler failed -> ready again after a delay, or FAILED for good with its descendants SKIPPED.
-- Edges: i (retry), g (final), h (descendants)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE INDEX
-- ARGV: instance_id node attempt error delay_ms look_ms cursor, then descendants
--   delay_ms -1: final; else the next attempt starts after it. look_ms: when the sweep is to look whether it did
--   cursor   -1: these are all its descendants; else how many these are, the rest follows by 06 settle
-- Returns: RETRY | FAILED | SUPERSEDED | CLOSED | GONE, the instance's status
local id, node, delay, look, cursor = ARGV[1], ARGV[2], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local instance, why = open()
if not instance then return { why, '' } end
local record = read(node)
if not record or record.status ~= 'R' or record.attempt ~= tonumber(ARGV[3]) then
  return { 'SUPERSEDED', instance.status }
end

local now = now_ms()
instance.running = instance.running - 1
record.failures, record.owner = record.failures + 1, ''
redis.call('HSET', ERRORS, node, ARGV[4])
local outcome
if delay >= 0 then
  outcome = 'RETRY'
  record.status, record.attempt, record.sends = 'Q', record.attempt + 1, look > delay and 1 or 0
  record.queued, record.started = tostring(now), ''
  redis.call('ZADD', DUE, now + look, node)
else
  outcome = 'FAILED'
  record.status, record.finished, record.cursor = 'F', tostring(now), cursor
  instance.failed = instance.failed + 1
  redis.call('HSETNX', META, 'error_node', node)
  if cursor >= 0 then
    redis.call('ZADD', DUE, now + look, node)
  else
    redis.call('ZREM', DUE, node)
  end
  skip(instance, now, 8)
end
write(node, record)
save(id, instance, now)
return { outcome, instance.status }
