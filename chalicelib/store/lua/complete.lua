-- complete: RUNNING -> COMPLETED with their results, for nodes that ended together; their children are unblocked.
-- Edges: e (these nodes), a (children), c (the children that the caller runs on with)
-- Uses: now_ms (now); read, pack_record (record); open, save (instance); unblock (unblock)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: taken resend_ms owner lease_ms budget, then for each node, none twice:
--         node attempt cursor result n, and n triples: child parents weight
--   taken   1: the caller sends the ready children; 0: the scheduler will
--   budget  children are claimed for owner, with a lease of lease_ms, as long as their weights fit into it; those of
--           weight 0 never are
--   cursor  -1: these are all its children; else how many these are, and the rest follows by settle
-- Returns: the instance's status, the outcome of each node, the claimed children, the other ready ones, the attempt
--   that these begin with. Outcomes:
--   COMMITTED; REPEATED (this same attempt was committed before: an answer got lost); SUPERSEDED; CLOSED; GONE
local instance, why = open()
local now, outcomes, children = now_ms(), {}, {}
local hop = { owner = owner, lease_ms = lease_ms, budget = budget, weights = {} }
local records, results, done, owing = {}, {}, {}, {}

local function complete(node, record, cursor, result)
  record.status, record.cursor, record.finished = 'C', cursor, tostring(now)
  records[#records + 1], records[#records + 2] = node, pack_record(record)
  results[#results + 1], results[#results + 2] = node, result
  if record.failures + record.lost > 0 then redis.call('HDEL', ERRORS, node) end
  instance.running, instance.completed = instance.running - 1, instance.completed + 1
  if cursor >= 0 then
    owing[#owing + 1], owing[#owing + 2] = now + resend_ms, node
  else
    done[#done + 1] = node
  end
end

local i = REST
while i <= #ARGV do
  local node, attempt, after = ARGV[i], tonumber(ARGV[i + 1]), i + 5 + 3 * ARGV[i + 4]
  local record = why ~= 'GONE' and read(node)
  if record and record.status == 'C' and record.attempt == attempt then
    outcomes[#outcomes + 1] = 'REPEATED'
  elseif not instance then
    outcomes[#outcomes + 1] = why
  elseif not record or record.status ~= 'R' or record.attempt ~= attempt then
    outcomes[#outcomes + 1] = 'SUPERSEDED'
  else
    outcomes[#outcomes + 1] = 'COMMITTED'
    complete(node, record, tonumber(ARGV[i + 2]), ARGV[i + 3])
    for k = i + 5, after - 1, 3 do
      children[#children + 1], children[#children + 2] = ARGV[k], ARGV[k + 1]
      hop.weights[ARGV[k]] = tonumber(ARGV[k + 2])
    end
  end
  i = after
end
if #records == 0 then return { instance and instance.status or '', outcomes, {}, {}, 1 } end

redis.call('HSET', NODES, unpack(records))
redis.call('HSET', RESULTS, unpack(results))
if #done > 0 then redis.call('ZREM', DUE, unpack(done)) end
if #owing > 0 then redis.call('ZADD', DUE, unpack(owing)) end
local claimed, ready = unblock(instance, now, children, 1, taken, resend_ms, hop)
save(id, instance, now)
return { instance.status, outcomes, claimed, ready, instance.first }
