-- 02 take_due: hand out what is due in one instance, so that the caller sends or settles it.
-- Edges: b (ready, never sent or sent long ago), f (running, its lease is over: the next attempt), g (lost too often)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE INDEX
-- ARGV: instance_id limit resend_ms max_lost lost_error
-- Returns: TAKEN | CLOSED | GONE, 1 when more is due, the ms by which the oldest of these is overdue, the
-- instance's status, then triples:
--   SEND node attempt     send a message; nobody else will for resend_ms, doubled with each message of this attempt
--   ALONE node attempt    the same, of a node that lost a lease: it may be what killed its worker
--   UNBLOCK node cursor   it COMPLETED: 06 settle its children from the cursor on
--   SKIP node cursor      it FAILED: 06 settle its descendants from the cursor on
local id = ARGV[1]
if is_newer(redis.call('HGET', META, 'schema')) then
  -- What this code cannot look at must not stand before what it can.
  redis.call('ZADD', INDEX, now_ms() + ARGV[3], id)
end
local instance, why = open()
if not instance then
  -- A stray entry would make the sweep come back for ever.
  redis.call('ZREM', INDEX, id)
  return { why, 0, 0, '' }
end

local limit, resend_ms, max_lost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now, taken = now_ms(), {}
local function hand_out(kind, node, number)
  taken[#taken + 1] = kind
  taken[#taken + 1] = node
  taken[#taken + 1] = tostring(number)
end

local nodes = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit + 1)
local more, late = #nodes > 2 * limit and 1 or 0, nodes[2] and now - nodes[2] or 0
for i = 1, math.min(#nodes, 2 * limit), 2 do
  local node = nodes[i]
  local record = read(node)
  local look_again = now + resend_ms
  if record.status == 'R' then
    instance.running = instance.running - 1
    if lose(instance, node, record, now, max_lost, ARGV[5]) then
      hand_out('ALONE', node, record.attempt)
    else
      hand_out('SKIP', node, 0)
    end
  elseif record.status == 'Q' then
    look_again = now + resend_ms * 2 ^ math.min(record.sends, 6)
    record.sends = record.sends + 1
    hand_out(record.lost > 0 and 'ALONE' or 'SEND', node, record.attempt)
  else
    hand_out(record.status == 'C' and 'UNBLOCK' or 'SKIP', node, record.cursor)
  end
  write(node, record)
  redis.call('ZADD', DUE, look_again, node)
end
save(id, instance, now)
return { 'TAKEN', more, late, instance.status, unpack(taken) }
