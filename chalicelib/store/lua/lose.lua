-- lose: no worker could take the message of a ready node -> ready again with the next attempt, or FAILED.
-- Edges: j (the next attempt), g (lost too often), k (all other live nodes, if the instance fails fast)
-- Uses: now_ms (now); read, write (record); open, save (instance); lose (lose)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: node attempt resend_ms max_lost error
-- Returns: RETRY (the caller sends the next attempt; no other process will for resend_ms) | FAILED (the caller settles
--   the nodes behind it from 0 on) | SUPERSEDED (it runs, or ran) | CLOSED | GONE, the instance's status
local instance, why = open()
if not instance then return { why, '' } end
local record = read(node)
if not record or record.status ~= 'Q' or record.attempt ~= attempt then
  return { 'SUPERSEDED', instance.status }
end

local now = now_ms()
local again = lose(instance, node, record, now, max_lost, error)
write(node, record)
redis.call('ZADD', DUE, now + resend_ms, node)
save(id, instance, now)
return { again and 'RETRY' or 'FAILED', instance.status }
