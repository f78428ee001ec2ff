-- take_due: hands out what is due in one instance, so that the caller sends or settles it.
-- Edges: b (ready, never sent or sent long ago), f (running, its lease is over: the next attempt), g (lost too often),
--   l (ready, while the instance is paused), k (the instance's time is over)
-- Uses: now_ms (now); read, write (record); note_attempt (history); HELD, is_newer, open, save (instance);
--   TIME_LIMIT, look_at_ended, cut (ending); lose (lose)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: limit resend_ms max_lost lost_error late_error
-- Returns: TAKEN | CLOSED | OUTBOX (terminal, and its webhook is still to be called) | GONE | LEFT (gone, except for
--   large results that are kept elsewhere), 1 when more is due, the ms by which the oldest of these is overdue, the
--   instance's status, then triples:
--   SEND node attempt     send a message; no other process does for resend_ms, doubled with each one of this attempt
--   ALONE node attempt    the same, for a node that lost a lease: it may be what killed its worker
--   UNBLOCK node cursor   it COMPLETED, or its failure is ignored: settle its children from the cursor on
--   SKIP node cursor      it FAILED: settle its descendants from the cursor on
local now = now_ms()
if is_newer(redis.call('HGET', META, 'schema')) then
  -- An instance that this code cannot look at must not stand before those that it can.
  redis.call('ZADD', INDEX, now + resend_ms, id)
end
local instance, why = open()
if not instance then return { look_at_ended(id, why, now, resend_ms), 0, 0, '' } end

local taken = {}
local function hand_out(kind, node, number)
  taken[#taken + 1] = kind
  taken[#taken + 1] = node
  taken[#taken + 1] = tostring(number)
end

local nodes = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit + 1)
local more, late = #nodes > 2 * limit and 1 or 0, nodes[2] and now - nodes[2] or 0
for i = 1, math.min(#nodes, 2 * limit), 2 do
  local node = nodes[i]
  if node == TIME_LIMIT then
    cut(id, instance, 'FAILED', now, late_error)
    return { 'CLOSED', 0, late, instance.status }
  end
  local record = read(node)
  local look_again = now + resend_ms
  if record.status == 'R' then
    instance.running = instance.running - 1
    if not lose(instance, node, record, now, max_lost, lost_error) then
      hand_out(record.status == 'I' and 'UNBLOCK' or 'SKIP', node, 0)
    elseif instance.paused then
      look_again, record.sends = HELD, 0
    else
      hand_out('ALONE', node, record.attempt)
    end
  elseif record.status == 'Q' and instance.paused then
    look_again = HELD
  elseif record.status == 'Q' then
    if record.sends > 0 then note_attempt(now, 'sent again', node, record) end
    look_again = now + resend_ms * 2 ^ math.min(record.sends, 6)
    record.sends = record.sends + 1
    hand_out(record.lost > 0 and 'ALONE' or 'SEND', node, record.attempt)
  else
    hand_out(record.status == 'F' and 'SKIP' or 'UNBLOCK', node, record.cursor)
  end
  write(node, record)
  redis.call('ZADD', DUE, look_again, node)
end
save(id, instance, now)
return { 'TAKEN', more, late, instance.status, unpack(taken) }
