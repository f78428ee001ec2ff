-- 05 complete: RUNNING -> COMPLETED with its result, and what that unblocks; the last node ends the instance.
-- Edges: e (this node), a (children), c (the one child that the caller runs on with)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE INDEX
-- ARGV: instance_id node attempt result taken resend_ms hop owner lease_ms cursor, then pairs: child parents
--   taken   1: the caller sends the ready children; 0: the scheduler will
--   hop     1: claim the first ready child for owner, with a lease of lease_ms
--   cursor  -1: these are all its children; else how many these are, the rest follows by 06 settle
-- Returns: outcome, the instance's status, the claimed child or -1, then the other ready children. Outcomes:
--   COMMITTED; REPEATED (this very attempt was committed before: an answer got lost); SUPERSEDED; CLOSED; GONE
local id, node, cursor = ARGV[1], ARGV[2], tonumber(ARGV[10])
local instance, why = open()
local record = why ~= 'GONE' and read(node)
if record and record.status == 'C' and record.attempt == tonumber(ARGV[3]) then
  return { 'REPEATED', instance and instance.status or '', '-1' }
end
if not instance then return { why, '', '-1' } end
if not record or record.status ~= 'R' or record.attempt ~= tonumber(ARGV[3]) then
  return { 'SUPERSEDED', instance.status, '-1' }
end

local now = now_ms()
record.status, record.cursor, record.finished, record.owner = 'C', cursor, tostring(now), ''
write(node, record)
redis.call('HSET', RESULTS, node, ARGV[4])
if record.failures + record.lost > 0 then redis.call('HDEL', ERRORS, node) end
instance.running, instance.completed = instance.running - 1, instance.completed + 1
if cursor >= 0 then
  redis.call('ZADD', DUE, now + ARGV[6], node)
else
  redis.call('ZREM', DUE, node)
end
local claimed, ready =
  unblock(instance, now, 11, ARGV[5] == '1', tonumber(ARGV[6]), ARGV[7] == '1', ARGV[8], tonumber(ARGV[9]))
save(id, instance, now)
return { 'COMMITTED', instance.status, claimed, unpack(ready) }
