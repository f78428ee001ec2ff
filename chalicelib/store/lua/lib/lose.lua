-- What becomes of a node that has no attempt left, and of an attempt that no worker ended.
-- Uses: note_attempt, in_short (history); cut (ending)

-- Edge g: the node FAILED. If its failure is ignored, its children run all the same; if the workflow fails fast, the
-- instance ends with it. Both settings are read only here, so that they cost nothing if nothing fails.
local function give_up(instance, node, record, now)
  local ignores, fail_fast = unpack(redis.call('HMGET', META, 'ignores', 'fail_fast'))
  record.status, record.finished = 'F', tostring(now)
  instance.failed = instance.failed + 1
  if ignores and (ignores == '*' or string.find(ignores, ',' .. node .. ',', 1, true)) then
    record.status = 'I'
    instance.ignored = redis.call('HINCRBY', META, 'ignored', 1)
  else
    redis.call('HSETNX', META, 'error_node', node)
    instance.give_up = fail_fast and cut
  end
end

-- Edges f, j, g: an attempt is lost, and not by the node's own failure. Returns whether there is another one, which is
-- ready, and which the caller sends. Else the node is FAILED, and the nodes behind it are still to be settled.
local function lose(instance, node, record, now, max_lost, error)
  note_attempt(now, 'lost', node, record, in_short(error))
  record.lost = record.lost + 1
  redis.call('HSET', ERRORS, node, error)
  if record.lost < max_lost then
    record.status, record.attempt, record.queued, record.sends = 'Q', record.attempt + 1, tostring(now), 1
    record.started, record.owner = '', ''
    return true
  end
  record.cursor = 0
  give_up(instance, node, record, now)
  return false
end
