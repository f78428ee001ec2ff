-- rerun: a terminal instance -> PENDING, as its next epoch: some of its nodes begin anew, the others stay as they are.
-- Edges: n (each of the former: waiting or ready), a (of these, the ones whose parents have all ended well)
-- Uses: now_ms (now); read, write (record); keep_aside, note (history); check, need_schema, save (instance);
--   set_time_limit (ending)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: epoch first params taken resend_ms reason rerun_nodes
--   epoch   the one that it ends: another caller may have come first. first: the attempt that nodes begin with, above
--           any earlier one
--   rerun_nodes  lists in JSON, since a request has room for some 4,000 arguments: `owing`, nodes that stay and had not
--           been settled to the end; `ready` nodes; `waiting`, pairs of a node and the number of its parents that stay
--   params  '': as they were. taken 1: the caller sends the ready ones; 0: another process will, at once
-- Returns: RERUN | LIVE | SUPERSEDED (another epoch) | GONE
-- Results and records of nodes that begin anew go to ARCHIVE.
check(redis.call('HGET', META, 'schema'))
local v = redis.call('HMGET', META, 'status', 'epoch', 'total', 'completed', 'failed', 'skipped', 'ignored', 'calls')
if not v[1] then return { 'GONE' } end
if v[1] == 'PENDING' or v[1] == 'RUNNING' then return { 'LIVE' } end
if tonumber(v[2] or 1) ~= epoch then return { 'SUPERSEDED' } end

local now, records, due, waits, nodes_anew = now_ms(), {}, {}, {}, {}
local instance = { status = 'PENDING', listed = v[1], total = tonumber(v[3]), running = 0, completed = tonumber(v[4]),
  failed = tonumber(v[5]), skipped = tonumber(v[6]), ignored = tonumber(v[7] or 0),
  calls = tonumber(v[8] or 0) + 1, unwell = -1 }
for _, node in ipairs(rerun_nodes.owing) do
  local record = read(node)
  record.cursor = -1
  write(node, record)
end
redis.call('HDEL', NODES, '-1')
for _, node in ipairs(rerun_nodes.ready) do
  nodes_anew[#nodes_anew + 1] = node
  records[#records + 1] = node
  records[#records + 1] = 'Q:' .. first .. ':0:0:' .. (taken and 1 or 0) .. ':-1:' .. now .. ':::'
  due[#due + 1], due[#due + 2] = taken and now + resend_ms or now, node
end
for i = 1, #rerun_nodes.waiting, 2 do
  local node, staying = rerun_nodes.waiting[i], rerun_nodes.waiting[i + 1]
  nodes_anew[#nodes_anew + 1] = node
  if staying > 0 then waits[#waits + 1], waits[#waits + 2] = node, staying end
end

-- unpack takes no more than some 8,000 values.
local function in_slices(command, key, list)
  for i = 1, #list, 1000 do redis.call(command, key, unpack(list, i, math.min(i + 999, #list))) end
end

for i = 1, #nodes_anew, 500 do
  local nodes, kept = { unpack(nodes_anew, i, math.min(i + 499, #nodes_anew)) }, {}
  local before, results = redis.call('HMGET', NODES, unpack(nodes)), redis.call('HMGET', RESULTS, unpack(nodes))
  for k, node in ipairs(nodes) do
    if before[k] then
      local status = string.sub(before[k], 1, 1)
      if status == 'C' then instance.completed = instance.completed - 1 end
      if status == 'F' or status == 'I' then instance.failed = instance.failed - 1 end
      if status == 'I' then instance.ignored = instance.ignored - 1 end
      if status == 'S' then instance.skipped = instance.skipped - 1 end
      kept[#kept + 1], kept[#kept + 2] = epoch .. ':' .. node, before[k] .. '\n' .. (results[k] or '')
    end
  end
  if #kept > 0 then redis.call('HSET', ARCHIVE, unpack(kept)) end
  for _, key in ipairs({ NODES, RESULTS, ERRORS }) do redis.call('HDEL', key, unpack(nodes)) end
end
in_slices('HSET', NODES, records)
in_slices('ZADD', DUE, due)
in_slices('HSET', WAITS, waits)
need_schema(2)
redis.call('HSET', META, 'epoch', epoch + 1, 'first', first, 'cancelled', 0, 'ignored', instance.ignored)
redis.call('HDEL', META, 'started_at', 'finished_at', 'error', 'error_node', 'owes', 'paused')
if params ~= '' then redis.call('HSET', META, 'params', params) end
redis.call('DEL', DONE)
for _, key in ipairs({ META, NODES, RESULTS, ERRORS }) do redis.call('PERSIST', key) end
keep_aside(ARCHIVE)
note(now, { event = 'rerun', epoch = epoch + 1, reason = reason })
set_time_limit(now, redis.call('HGET', META, 'timeout_ms'))
save(id, instance, now)
return { 'RERUN' }
