-- Edges f, j, g: an attempt is lost, and not by the node's own failure. Returns whether there is another one: ready, and the
-- caller sends it. Else the node is FAILED, and what that does to its descendants is still to be settled.
local function lose(instance, node, record, now, max_lost, error)
  record.lost, record.owner, record.started = record.lost + 1, '', ''
  redis.call('HSET', ERRORS, node, error)
  if record.lost < max_lost then
    record.status, record.attempt, record.queued, record.sends = 'Q', record.attempt + 1, tostring(now), 1
    return true
  end
  record.status, record.cursor, record.finished = 'F', 0, tostring(now)
  instance.failed = instance.failed + 1
  redis.call('HSETNX', META, 'error_node', node)
  return false
end
