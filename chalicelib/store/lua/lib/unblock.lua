-- What a finished node does to the nodes behind it. Both functions work on a slice of the list that the caller derives
-- from the immutable definition; the node's cursor tells which slice comes next, so that none is done twice.
-- Uses: HELD (instance)

-- Edges a, b, c: the children of completed nodes, as pairs from `first` on: child, number of its parents. A child whose
-- last parent this was becomes ready; if its weight (hop.weights; 0: never) fits into hop.budget, it is claimed at
-- once. While the instance is paused, ready children are held back, and are not returned. Returns the claimed
-- children, and the other ready ones.
local function unblock(instance, now, children, first, taken, resend_ms, hop)
  local count, order, parents = {}, {}, {}
  for i = first, #children, 2 do
    local child = children[i]
    if not count[child] then
      count[child], parents[child], order[#order + 1] = 0, tonumber(children[i + 1]), child
    end
    count[child] = count[child] + 1
  end

  local claimed, ready, records, due, forget = {}, {}, {}, {}, {}
  local sent = taken and not instance.paused
  for _, child in ipairs(order) do
    local unblocked = count[child] == parents[child] -- all at once: WAITS need not count them
    if not unblocked and redis.call('HINCRBY', WAITS, child, count[child]) == parents[child] then
      unblocked, forget[#forget + 1] = true, child
    end
    if unblocked then
      records[#records + 1] = child
      local weight = hop and not instance.paused and hop.weights[child] or 0
      if weight > 0 and weight <= hop.budget then
        hop.budget = hop.budget - weight
        claimed[#claimed + 1] = child
        instance.running = instance.running + 1
        records[#records + 1] = 'R:' .. instance.first .. ':0:0:0:-1:' .. now .. ':' .. now .. '::' .. hop.owner
        due[#due + 1] = now + hop.lease_ms
      else
        if not instance.paused then ready[#ready + 1] = child end
        records[#records + 1] = 'Q:' .. instance.first .. ':0:0:' .. (sent and 1 or 0) .. ':-1:' .. now .. ':::'
        due[#due + 1] = instance.paused and HELD or sent and now + resend_ms or now
      end
      due[#due + 1] = child
    end
  end
  if #forget > 0 then redis.call('HDEL', WAITS, unpack(forget)) end
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
