-- A node's record is one string of NODES: status:attempt:failures:lost:sends:cursor:queued:started:finished:owner.
-- status  Q ready, R running, C completed, F failed, I failed and ignored (its children run all the same), S skipped.
--         No record: waiting for its parents.
-- attempt the fencing number; failures of the handler and lost attempts are counted apart, since only the former are
--         the node's own. sends: messages sent for this attempt. cursor: how many children (C) or descendants (F)
--         have been settled; -1 when all are. Times are in ms. owner: the invocation that holds the lease, or held the
--         last one.
local RECORD = '^(%a):(%d+):(%d+):(%d+):(%d+):(%-?%d+):(%d*):(%d*):(%d*):(.*)$'

local function read(node)
  local raw = redis.call('HGET', NODES, node)
  if not raw then return nil end
  local status, attempt, failures, lost, sends, cursor, queued, started, finished, owner = string.match(raw, RECORD)
  return {
    status = status, attempt = tonumber(attempt), failures = tonumber(failures), lost = tonumber(lost),
    sends = tonumber(sends), cursor = tonumber(cursor), queued = queued, started = started, finished = finished,
    owner = owner,
  }
end

local function pack_record(r)
  return table.concat({ r.status, r.attempt, r.failures, r.lost, r.sends, r.cursor, r.queued, r.started, r.finished,
    r.owner }, ':')
end

local function write(node, record)
  redis.call('HSET', NODES, node, pack_record(record))
end
