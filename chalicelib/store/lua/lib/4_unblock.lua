-- What a finished node does to the nodes behind it. Both work on a slice of the list that the caller derives from the
-- immutable definition; the node's cursor says which slice comes next, so none is done twice.

-- Edges a, b: the children of a completed node (ARGV from `first`: child, number of its parents, ...). The one whose
-- last parent this was becomes ready; with `hop` the first of them is claimed for `owner` at once.
-- Returns the claimed child or '-1', and the list of the other ready ones.
local function unblock(instance, now, first, taken, resend_ms, hop, owner, lease_ms)
  local claimed, ready, records, due = '-1', {}, {}, {}
  for i = first, #ARGV, 2 do
    local child, parents = ARGV[i], tonumber(ARGV[i + 1])
    local unblocked = true
    if parents > 1 then
      unblocked = redis.call('HINCRBY', WAITS, child, 1) == parents
      if unblocked then redis.call('HDEL', WAITS, child) end
    end
    if unblocked then
      records[#records + 1] = child
      if hop and claimed == '-1' then
        claimed = child
        instance.running = instance.running + 1
        records[#records + 1] = 'R:1:0:0:0:-1:' .. now .. ':' .. now .. '::' .. owner
        due[#due + 1] = now + lease_ms
      else
        ready[#ready + 1] = child
        records[#records + 1] = 'Q:1:0:0:' .. (taken and 1 or 0) .. ':-1:' .. now .. ':::'
        due[#due + 1] = taken and now + resend_ms or now
      end
      due[#due + 1] = child
    end
  end
  if #records > 0 then
    redis.call('HSET', NODES, unpack(records))
    redis.call('ZADD', DUE, unpack(due))
  end
  return claimed, ready
end

-- Edge h: the descendants of a failed node (ARGV from `first`). They cannot have started: an ancestor never completed.
local function skip(instance, now, first)
  local records = {}
  for i = first, #ARGV do
    if redis.call('HEXISTS', NODES, ARGV[i]) == 0 then
      records[#records + 1] = ARGV[i]
      records[#records + 1] = 'S:0:0:0:0:-1:::' .. now .. ':'
      instance.skipped = instance.skipped + 1
    end
  end
  if #records > 0 then redis.call('HSET', NODES, unpack(records)) end
end
