-- 06 settle: the next slice of what a finished node does to the nodes behind it, where one call would be too long.
-- Edges: a (children of a COMPLETED node, or one whose failure is ignored), h (descendants of a FAILED one)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- ARGV: instance_id node from cursor taken resend_ms, then pairs child parents, or descendants (edge h)
--   from    the cursor that this slice begins at; cursor: where the next one begins, -1 when this is the last
-- Returns: SETTLED | SUPERSEDED (another caller was here) | CLOSED | GONE, the instance's status, the attempt that
--   the ready children begin with, these children
local id, node, cursor = ARGV[1], ARGV[2], tonumber(ARGV[4])
local instance, why = open()
if not instance then return { why, '', 1 } end
local record = read(node)
-- A cursor of -1 owes nothing: a node that is live, or dealt with.
if not record or record.cursor < 0 or record.cursor ~= tonumber(ARGV[3]) then
  return { 'SUPERSEDED', instance.status, 1 }
end

local now, ready = now_ms(), {}
if record.status ~= 'F' then
  local _
  _, ready = unblock(instance, now, ARGV, 7, ARGV[5] == '1', tonumber(ARGV[6]))
else
  skip(instance, now, 7)
end
record.cursor = cursor
if cursor >= 0 then
  write(node, record)
  redis.call('ZADD', DUE, now + ARGV[6], node)
else
  redis.call('ZREM', DUE, node)
  if node == '-1' then redis.call('HDEL', NODES, node) else write(node, record) end
end
save(id, instance, now)
return { 'SETTLED', instance.status, instance.first, unpack(ready) }
