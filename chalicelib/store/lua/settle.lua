-- settle: unblocks or skips the next slice of the nodes behind a finished one: one call for all would be too long.
-- Edges: a (children of a COMPLETED node, or one whose failure is ignored), h (descendants of a FAILED one)
-- Uses: now_ms (now); read, write (record); open, save (instance); unblock, skip (unblock)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: node start cursor taken resend_ms, then pairs child parents, or descendants (edge h)
--   start   the cursor that this slice begins at; cursor: where the next one begins, -1 when this is the last
-- Returns: SETTLED | SUPERSEDED (another caller came first) | CLOSED | GONE, the instance's status, the attempt that
--   the ready children begin with, these children
local instance, why = open()
if not instance then return { why, '', 1 } end
local record = read(node)
-- A node with a cursor of -1 owes nothing: it is live, or has been settled to its end.
if not record or record.cursor < 0 or record.cursor ~= start then
  return { 'SUPERSEDED', instance.status, 1 }
end

local now, ready = now_ms(), {}
if record.status ~= 'F' then
  local _
  _, ready = unblock(instance, now, ARGV, REST, taken, resend_ms)
else
  skip(instance, now, REST)
end
record.cursor = cursor
if cursor >= 0 then
  write(node, record)
  redis.call('ZADD', DUE, now + resend_ms, node)
else
  redis.call('ZREM', DUE, node)
  if node == '-1' then redis.call('HDEL', NODES, node) else write(node, record) end
end
save(id, instance, now)
return { 'SETTLED', instance.status, instance.first, unpack(ready) }
